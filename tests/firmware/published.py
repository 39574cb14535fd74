"""Documents in the shapes that CISA and the CVE programme publish, written for these tests: small and synthetic."""

import json
from typing import Any

from bartizan.firmware.feeds.products import Vendors
from bartizan_lab import generate

VENDORS = Vendors(generate.makers())


def product(identifier: str, name: str, versions: str, category: str = "product_version_range") -> dict[str, Any]:
    """A branch of a product tree as CISA writes it: the name, and its versions in a branch below."""
    leaf = {"name": f"{name}: {versions}", "product_id": identifier}
    return {
        "category": "product_name",
        "name": name,
        "branches": [{"category": category, "name": versions, "product": leaf}],
    }


def csaf(*products: dict[str, Any], vendor: str = "Hikvision", **status: list[str]) -> dict[str, Any]:
    """A CSAF 2.0 document about one vulnerability of one vendor's products."""
    every = [leaf["product"]["product_id"] for branch in products for leaf in branch["branches"]]
    return {
        "document": {
            "category": "csaf_security_advisory",
            "csaf_version": "2.0",
            "publisher": {"category": "coordinator", "name": "CISA", "namespace": "https://www.cisa.gov/"},
            "title": "Cameras",
            "tracking": {
                "id": "ICSA-00-000-01",
                "version": "2",
                "status": "final",
                "initial_release_date": "2022-01-01T00:00:00Z",
                "current_release_date": "2022-10-10T21:50:06.244075Z",
                "revision_history": [],
            },
        },
        "product_tree": {"branches": [{"category": "vendor", "name": vendor, "branches": list(products)}]},
        "vulnerabilities": [
            {
                "cve": "CVE-2000-0001",
                "cwe": {"id": "CWE-287", "name": "Improper Authentication"},
                "product_status": status or {"known_affected": every},
                "scores": [{"cvss_v3": {"baseScore": 10.0, "version": "3.0"}, "products": every}],
            }
        ],
    }


def cve(*affected: dict[str, Any], **cna: Any) -> dict[str, Any]:
    """A published CVE record of format 5.1."""
    return {
        "dataType": "CVE_RECORD",
        "dataVersion": "5.1",
        "cveMetadata": {
            "cveId": "CVE-2000-0002",
            "state": "PUBLISHED",
            "assignerShortName": "dahua",
            "dateUpdated": "2025-07-28T19:43:03.962Z",
        },
        "containers": {
            "cna": {
                "affected": list(affected),
                "descriptions": [{"lang": "en", "value": "Something can be bypassed. More of it."}],
                **cna,
            }
        },
    }


def kev(*entries: dict[str, Any]) -> dict[str, Any]:
    """A KEV catalogue."""
    return {
        "title": "CISA Catalog of Known Exploited Vulnerabilities",
        "catalogVersion": "2025.08.25",
        "dateReleased": "2025-08-25T17:00:00.0000Z",
        "count": len(entries),
        "vulnerabilities": list(entries),
    }


def exploited(identifier: str, vendor: str, added: str, due: str) -> dict[str, Any]:
    """An entry of the KEV catalogue."""
    return {
        "cveID": identifier,
        "vendorProject": vendor,
        "product": "IP Camera Firmware",
        "vulnerabilityName": "Somebody's Cameras Something",
        "dateAdded": added,
        "shortDescription": "Something.",
        "requiredAction": "Apply updates.",
        "dueDate": due,
        "knownRansomwareCampaignUse": "Unknown",
    }


def octets(document: object) -> bytes:
    """The document as it is published."""
    return json.dumps(document).encode()
