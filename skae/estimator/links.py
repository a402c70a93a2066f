"""Where the pages of the classes are, for the diagrams that notebooks show of estimators."""

from importlib.metadata import PackageNotFoundError, metadata


def find_page_template():
    """Return the address of the page of a class, with places for its module and its name.

    It begins with the package's own address of its documentation; without one it is empty, and
    diagrams have neither links nor notes on parameters.
    """
    try:
        urls = metadata("skae").get_all("Project-URL") or []
    except PackageNotFoundError:  # a checkout that is not installed
        return ""
    for url in urls:
        name, _, address = url.partition(", ")
        if name.lower() == "documentation":
            return address.rstrip("/") + "/generated/{estimator_module}.{estimator_name}.html"
    return ""
