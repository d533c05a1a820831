"""All subjects of management, each a file with its endpoints."""

from typing import Final

from fastapi import APIRouter

from troth.server.management import (
    accounts,
    alerts,
    budgets,
    documents,
    gifts,
    money,
    prices,
    reporting,
    reports,
    statements,
    status,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    accounts.ROUTER,
    alerts.ROUTER,
    budgets.ROUTER,
    documents.ROUTER,
    gifts.ROUTER,
    money.ROUTER,
    prices.ROUTER,
    reporting.ROUTER,
    reports.ROUTER,
    statements.ROUTER,
    status.ROUTER,
)
