"""What all estimators share as estimators of scikit-learn. Private."""
