"""What trains and serves with Amazon's algorithms, inside a container."""
