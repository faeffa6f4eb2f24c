"""LinearLearner: linear regression and classification, by the best of many models."""
