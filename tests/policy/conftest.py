"""The option by which generated documents are renewed instead of compared."""

import pytest

# Its assertions are what tables of cases fail with.
pytest.register_assert_rewrite("tests.policy.table")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-docs", action="store_true", help="write docs/rules.md instead of comparing it")


@pytest.fixture
def update_docs(request: pytest.FixtureRequest) -> bool:
    # Unknown when the whole of tests/ is run: this file is then read too late to add an option.
    return bool(request.config.getoption("--update-docs", default=False))
