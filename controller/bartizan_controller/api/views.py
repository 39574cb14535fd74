"""Saved views: filters of the device list that people gave a name."""

from litestar import Router, delete, get, put
from litestar.params import FromPath, JSONBody

from bartizan_controller.access import Role
from bartizan_controller.api.access import Asking, TheParts, needs
from bartizan_controller.search import DeviceQuery
from bartizan_controller.store import views
from bartizan_controller.store.views import View


@get("/views", summary="List saved views")
async def list_views(request: Asking, parts: TheParts) -> tuple[View, ...]:
    """Those of the organisations that you may see."""
    return await parts.database.read(lambda c: views.visible(c, request.user))


@get("/views/{name:str}", summary="Show a saved view")
async def show_view(request: Asking, parts: TheParts, name: FromPath[str]) -> View:
    """What it asks for. `GET /devices?view=…` lists its devices."""
    return await parts.database.read(lambda c: views.find(c, request.user, name))


@put("/views/{name:str}", guards=[needs(Role.ESTATES, Role.SOC, Role.AUDITOR)], summary="Save a view")
async def save_view(request: Asking, parts: TheParts, name: FromPath[str], data: JSONBody[DeviceQuery]) -> View:
    """In place of the one that your organisation has under that name."""
    return await parts.database.write(lambda c: views.save(c, request.user, name, data, now=parts.clock()))


@delete("/views/{name:str}", guards=[needs(Role.ESTATES, Role.SOC, Role.AUDITOR)], summary="Delete a saved view")
async def delete_view(request: Asking, parts: TheParts, name: FromPath[str]) -> None:
    """One of your own organisation."""
    await parts.database.write(lambda c: views.forget(c, request.user, name, now=parts.clock()))


router = Router("/", tags=["inventory"], route_handlers=[list_views, show_view, save_view, delete_view])
