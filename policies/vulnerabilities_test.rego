package hallmark.vulnerabilities_test

import data.hallmark.vulnerabilities

settings := {"deny": "high", "graceDays": 0, "maxAgeDays": 7, "gaps": "deny"}

data_of(day) := {"digest": "sha256:00", "made": day, "advisories": 1, "hasExploited": true, "hasForecasts": false}

one := {
	"package": {"name": "openssl", "version": "3.0.1"},
	"id": "CVE-2024-1",
	"severity": "high",
	"fixed": "3.0.2",
	"fixSeen": "2026-01-01",
	"unimportant": false,
	"leftToDistribution": false,
	"headersOnly": false,
	"malware": false,
	"exploited": null,
}

given(vulnerabilities) := {
	"time": "2026-01-08T12:00:00Z",
	"settings": {"vulnerabilities": settings},
	"vulnerabilities": object.union(
		{"database": data_of("2026-01-07"), "error": null, "known": [], "unknown": [], "gaps": []},
		vulnerabilities,
	),
}

with_known(change) := given({"known": [object.union(one, change)]})

set_to(document, change) := object.union(document, {"settings": {"vulnerabilities": change}})

denied(document) := {result.code | some result in vulnerabilities.deny with input as document}

warned(document) := {result.code | some result in vulnerabilities.warn with input as document}

test_asks_only_where_a_level_is_set if {
	vulnerabilities.needs == {"vulnerabilities"} with input as {"settings": {"vulnerabilities": settings}}
	vulnerabilities.needs == set() with input as {"settings": {"vulnerabilities": {"deny": "off"}}}
}

test_off_says_nothing if {
	off := set_to(with_known({"malware": true, "exploited": {"cve": "CVE-2024-1", "added": "2024-01-01"}}), {"deny": "off"})
	denied(off) == set()
	warned(off) == set()
	denied({"settings": {"vulnerabilities": {"deny": "off"}}, "vulnerabilities": null}) == set()
}

test_nothing_known_passes if {
	denied(given({})) == set()
	warned(given({})) == set()
}

test_no_data_is_not_clean if {
	denied({"settings": {"vulnerabilities": settings}}) == {"vulnerability-data-missing"}
	denied(object.union(given({}), {"vulnerabilities": null})) == {"vulnerability-data-missing"}
	denied(object.union(given({}), {"vulnerabilities": {"database": null}})) == {"vulnerability-data-missing"}
	denied(given({"error": "it is damaged"})) == {"vulnerability-data-missing"}
}

test_old_data_is_denied if {
	denied(given({"database": data_of("2026-01-01")})) == set()
	denied(given({"database": data_of("2025-12-31")})) == {"vulnerability-data-old"}
	denied(set_to(given({"database": data_of("2020-01-01")}), {"maxAgeDays": 0})) == set()
}

test_severe_with_a_fix_is_denied if {
	denied(with_known({})) == {"vulnerability-severe"}
	denied(with_known({"severity": "critical"})) == {"vulnerability-severe"}
	denied(with_known({"severity": "medium"})) == set()
	warned(with_known({"fixed": null})) == {"vulnerability-unfixed"}
	denied(with_known({"fixed": null})) == set()
}

test_what_does_not_count_is_let_through if {
	every field in ["unimportant", "leftToDistribution", "headersOnly"] {
		denied(with_known({field: true, "exploited": {"cve": "CVE-2024-1", "added": "2024-01-01"}})) == set()
		warned(with_known({field: true})) == set()
	}
}

test_grace_is_counted_from_the_fix if {
	graced := set_to(with_known({}), {"graceDays": 7})
	denied(graced) == set()
	warned(graced) == {"vulnerability-grace"}
	over := set_to(with_known({"fixSeen": "2025-12-31"}), {"graceDays": 7})
	denied(over) == {"vulnerability-severe"}
	warned(over) == set()
	without := set_to(with_known({"fixSeen": null}), {"graceDays": 7})
	denied(without) == {"vulnerability-severe"}
}

test_exploited_is_denied_at_any_level if {
	denied(with_known({"severity": "low", "exploited": {"cve": "CVE-2024-1", "added": "2024-01-01"}})) == {"vulnerability-exploited"}
}

test_unrated_is_said if {
	warned(with_known({"severity": "unknown"})) == {"vulnerability-unrated"}
	denied(with_known({"severity": "unknown"})) == set()
}

test_malware_is_denied_whatever_else_is_said if {
	denied(with_known({"malware": true, "severity": "unknown", "unimportant": true})) == {"vulnerability-malware"}
	warned(with_known({"malware": true, "severity": "unknown"})) == set()
}

vex(outcome) := {"vex": {"outcome": outcome, "document": "d"}}

test_what_a_trusted_signer_says_counts if {
	denied(with_known(vex("suppressed"))) == set()
	denied(with_known(vex("counts"))) == {"vulnerability-severe"}
	denied(with_known(vex("conflict"))) == {"vulnerability-severe"}
	warned(with_known(vex("conflict"))) == {"vulnerability-vex"}
	unused := {"document": "d", "vulnerability": ["CVE-2024-1"], "why": "it is about another image"}
	warned(given({"unused": [unused]})) == {"vulnerability-vex"}
}

test_gaps_deny_or_warn_as_set if {
	every kind in ["distribution", "release", "past-end", "ecosystem"] {
		document := given({"gaps": [{"kind": kind, "name": "Debian:10", "packages": 3}]})
		denied(document) == {"vulnerability-not-covered"}
		denied(set_to(document, {"gaps": "warn"})) == set()
		warned(set_to(document, {"gaps": "warn"})) == {"vulnerability-not-covered"}
	}
	every kind in ["type", "fixes-only"] {
		denied(given({"gaps": [{"kind": kind, "name": "conda", "packages": 3}]})) == set()
	}
}

test_what_cannot_be_told_is_said if {
	document := given({"unknown": [{"package": {"name": "a", "version": "(devel)"}, "why": "no order", "advisories": ["GO-1"], "count": 1}]})
	warned(document) == {"vulnerability-unknown"}
	denied(document) == set()
}

test_what_was_not_read_is_a_gap if {
	document := given({"gaps": [{"kind": "unread", "name": "/var/lib/dpkg/status: it is not there", "packages": 0}]})
	denied(document) == {"vulnerability-not-covered"}
	denied(set_to(document, {"gaps": "warn"})) == set()
}

test_data_from_the_future_is_no_data if {
	denied(given({"database": data_of("2026-02-01")})) == {"vulnerability-data-old"}
	denied(given({"database": data_of("2026-01-09")})) == set()
}
