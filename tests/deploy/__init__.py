"""The folder `deploy/`: what an operator copies is started, tried and read here as it is shipped."""
