"""All subjects of management, each a file with its endpoints."""

from typing import Final

from fastapi import APIRouter

from troth.server.management import (
    accounts,
    alerts,
    budgets,
    documents,
    money,
    prices,
    reporting,
    reports,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    accounts.ROUTER,
    alerts.ROUTER,
    budgets.ROUTER,
    documents.ROUTER,
    money.ROUTER,
    prices.ROUTER,
    reporting.ROUTER,
    reports.ROUTER,
)
