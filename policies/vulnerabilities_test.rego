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
	"parts": [],
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

test_a_part_of_a_package_is_told_with_it if {
	parts := [{"name": "requests", "version": "2.28.1", "path": "/usr/lib/requests"}]
	messages := {rule.msg | some rule in vulnerabilities.deny with input as with_known({"parts": parts})}
	messages == {"openssl 3.0.1, with requests 2.28.1 (/usr/lib/requests) in it: CVE-2024-1 (high) is fixed in 3.0.2"}
	denied(with_known({"parts": parts})) == {"vulnerability-severe"}
	denied(with_known({"parts": []})) == {"vulnerability-severe"}
}

# What lifts the distribution's record lifts nothing of a part that is not left to it.
test_a_part_counts_by_itself_unless_it_is_left_to_the_distribution if {
	own := object.union(one, {"vex": {"outcome": "suppressed"}})
	part := object.union(one, {"package": {"name": "requests", "version": "2.28.1"}, "distribution": {"undecided": "it is the image's own word"}})
	denied(given({"known": [own, part]})) == {"vulnerability-severe"}
	denied(given({"known": [own, object.union(part, {"leftToDistribution": true})]})) == set()
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

exploited := {"cve": "CVE-2024-1", "added": "2024-01-01"}

# Each of these has something to say where the rules are on.
speaking := [
	given({"database": null}),
	given({"error": "it is damaged"}),
	given({"database": data_of("2020-01-01")}),
	given({"database": data_of("2026-02-01")}),
	with_known({"exploited": exploited, "severity": "low"}),
	with_known({}),
	with_known({"fixed": null}),
	with_known({"severity": "unknown"}),
	with_known({"malware": true}),
	given({"gaps": [{"kind": "release", "name": "Debian:10", "packages": 3}]}),
	given({"gaps": [{"kind": "unread", "name": "/x", "packages": 0}]}),
	given({"unused": [{"document": "d", "vulnerability": ["CVE-2024-1"], "why": "w"}]}),
	with_known({"vex": {"outcome": "conflict", "document": "d"}, "severity": "low"}),
	given({"unknown": [{"package": {"name": "a", "version": "1"}, "why": "no order", "advisories": [], "count": 1}]}),
]

test_off_says_nothing_of_anything if {
	every document in speaking {
		count(denied(document) | warned(document)) == 1
		off := set_to(document, {"deny": "off", "graceDays": 7})
		denied(off) == set()
		warned(off) == set()
		lenient := set_to(document, {"deny": "off", "gaps": "warn"})
		warned(lenient) == set()
	}
	count(speaking) == 14
}

test_levels_are_in_their_order if {
	levels := ["negligible", "low", "medium", "high", "critical"]
	every i, asked in levels {
		every j, level in levels {
			worse := {code | some code in {"vulnerability-severe"}; j >= i}
			denied(set_to(with_known({"severity": level}), {"deny": asked})) == worse
		}
		denied(set_to(with_known({"severity": "unknown"}), {"deny": asked})) == set()
	}
}

test_what_is_not_set_is_strict if {
	bare := object.union(object.remove(with_known({"fixSeen": "2026-01-08"}), ["settings"]), {"settings": {"vulnerabilities": {"deny": "high"}}})
	denied(bare) == {"vulnerability-severe"}
	warned(bare) == set()
	week := object.union(object.remove(given({"database": data_of("2026-01-01")}), ["settings"]), {"settings": {"vulnerabilities": {"deny": "high"}}})
	denied(week) == set()
	older := object.union(object.remove(given({"database": data_of("2025-12-31")}), ["settings"]), {"settings": {"vulnerabilities": {"deny": "high"}}})
	denied(older) == {"vulnerability-data-old"}
}

at(document, time) := object.union(document, {"time": time})

test_days_have_twenty_four_hours if {
	document := given({"database": data_of("2026-01-01")})
	denied(at(document, "2026-01-08T23:59:59Z")) == set()
	denied(at(document, "2026-01-09T00:00:00Z")) == {"vulnerability-data-old"}
	denied(at(set_to(document, {"maxAgeDays": 1}), "2026-01-02T23:59:59Z")) == set()
	denied(at(set_to(document, {"maxAgeDays": 1}), "2026-01-03T00:00:00Z")) == {"vulnerability-data-old"}
}

test_a_day_that_has_not_come_may_be_the_next_one_elsewhere if {
	document := given({"database": data_of("2026-01-09")})
	denied(at(document, "2026-01-08T00:00:00Z")) == set()
	denied(at(document, "2026-01-07T23:59:59Z")) == {"vulnerability-data-old"}
}

told(document, code) := [result | some result in vulnerabilities.deny with input as document; result.code == code][0]

test_facts_say_which_package_it_is if {
	result := told(with_known({}), "vulnerability-severe")
	[result.package, result.version, result.id, result.fixed, result.side] == ["openssl", "3.0.1", "CVE-2024-1", "3.0.2", "own"]
}

by_side(layer, image) := {result.side |
	some result in vulnerabilities.deny with input as object.union(with_known({"package": {"layer": layer}}), {"image": image})
}

test_base_and_own_layers_are_told_apart if {
	by_side(0, {"baseLayers": 1}) == {"base"}
	by_side(1, {"baseLayers": 1}) == {"own"}
	by_side(null, {"baseLayers": 1}) == {"own"}
	by_side(0, {"baseLayers": null}) == {"own"}
	by_side(0, {}) == {"own"}
}

test_malware_is_told_as_malware_alone if {
	document := with_known({"malware": true})
	denied(document) == {"vulnerability-malware"}
	warned(document) == set()
	denied(with_known({"malware": true, "fixed": null})) == {"vulnerability-malware"}
	warned(with_known({"malware": true, "fixed": null})) == set()
}

test_grace_needs_the_day_of_the_fix if {
	document := set_to(with_known({"fixSeen": "2026-01-08"}), {"graceDays": 1})
	warned(document) == {"vulnerability-grace"}
	some result in vulnerabilities.warn with input as document
	endswith(result.msg, "is fixed in 3.0.2; 1 day is left")
	some other in vulnerabilities.warn with input as set_to(with_known({"fixSeen": "2026-01-06"}), {"graceDays": 7})
	endswith(other.msg, "5 days are left")
}

test_without_grace_a_fix_denies_at_once if {
	denied(set_to(with_known({"fixSeen": "2026-01-08"}), {"graceDays": 0})) == {"vulnerability-severe"}
	denied(set_to(with_known({"fixSeen": "2026-01-09"}), {"graceDays": 0})) == {"vulnerability-severe"}
	warned(set_to(with_known({"fixed": null}), {"graceDays": 365})) == {"vulnerability-unfixed"}
}

test_what_the_data_does_not_cover_is_told_in_words if {
	every kind, words in {
		"distribution": "no data is about the distribution Debian:10, with 3 packages",
		"release": "the data has nothing of the release Debian:10, with 3 packages",
		"past-end": "nobody lists vulnerabilities any more of the release Debian:10, with 3 packages",
		"ecosystem": "the data has nothing of the ecosystem Debian:10, with 3 packages",
	} {
		startswith(told(given({"gaps": [{"kind": kind, "name": "Debian:10", "packages": 3}]}), "vulnerability-not-covered").msg, words)
	}
	one := told(given({"gaps": [{"kind": "release", "name": "Debian:10", "packages": 1}]}), "vulnerability-not-covered")
	contains(one.msg, "Debian:10, with 1 package:")
	unread := given({"gaps": [{"kind": "unread", "name": "/x", "packages": 0}]})
	count({result | some result in vulnerabilities.deny with input as unread}) == 1
}

test_a_gap_that_denies_is_no_warning if {
	document := given({"gaps": [{"kind": "release", "name": "Debian:10", "packages": 3}]})
	denied(document) == {"vulnerability-not-covered"}
	warned(document) == set()
}

test_a_conflict_alone_is_one if {
	warned(with_known({"severity": "low", "vex": {"outcome": "counts", "document": "d"}})) == set()
	warned(with_known({"severity": "low", "vex": {"outcome": "suppressed", "document": "d"}})) == set()
}

unrated(most) := given({"known": [object.union(one, {"severity": "unknown", "id": sprintf("C%d", [n])}) | some n in numbers.range(1, most)]})

test_many_names_are_cut if {
	some result in vulnerabilities.warn with input as unrated(11)
	startswith(result.msg, "11 vulnerabilities have no rating: openssl 3.0.1: C1, openssl 3.0.1: C10, openssl 3.0.1: C11")
	endswith(result.msg, "C8 and 1 more")
	some other in vulnerabilities.warn with input as unrated(10)
	endswith(other.msg, "openssl 3.0.1: C8, openssl 3.0.1: C9")
}

test_counts_have_their_noun if {
	vulnerabilities.counted(1, "file is", "files are") == "1 file is"
	vulnerabilities.counted(0, "file is", "files are") == "0 files are"
	vulnerabilities.counted(2, "file is", "files are") == "2 files are"
}
