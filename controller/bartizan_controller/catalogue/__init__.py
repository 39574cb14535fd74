"""The catalogue's TUF repository on the controller: founding it, staging changes, publishing, bundling."""

from bartizan_controller.catalogue.founding import FoundingKeys, director_keys, found, make_keys
from bartizan_controller.catalogue.online_keys import OnlineKeys, load_online_keys
from bartizan_controller.catalogue.online_roles import Lifetimes
from bartizan_controller.catalogue.repository import CatalogueRepository
from bartizan_controller.catalogue.staging import Change, ChangeId

__all__ = [
    "CatalogueRepository",
    "Change",
    "ChangeId",
    "FoundingKeys",
    "Lifetimes",
    "OnlineKeys",
    "director_keys",
    "found",
    "load_online_keys",
    "make_keys",
]
