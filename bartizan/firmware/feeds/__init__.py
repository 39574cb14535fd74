"""What others publish about vulnerabilities, read into drafts of our advisories: CSAF 2.0, CVE JSON 5, CISA's KEV list.

Bytes in, values out: what was understood, and what was not and needs a person. Nothing is fetched here, and nothing
that was not understood is ever taken for good news.
"""
