"""The private network of a training job with several hosts, where the kernel allows one.

::

    sm_local.network           one process per job, outside of the job's namespaces
      namespaces.py            makes them: a bridge, and a network namespace for each host
      netlink.py               how links and addresses are made (rtnetlink)
      relay.py                 from the hosts to the service and, as an HTTP proxy, to the world
    enter.py                   becomes a host's command, inside of its namespaces

Standard library only: the process starts for a job and stays as long.
"""
