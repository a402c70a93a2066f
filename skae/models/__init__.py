"""One method, one file: its module and its estimator. Import them from `skae`; private."""
