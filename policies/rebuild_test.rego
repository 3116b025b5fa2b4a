package hallmark.rebuild_test

import data.hallmark.rebuild

denied(document) := {result.code | some result in rebuild.deny with input as document}

message(document) := result.msg if {
	some result in rebuild.deny with input as document
}

at(level) := {"rebuild": {
	"status": "compared",
	"level": level,
	"levelName": "some-name",
	"determinism": "consistently-different",
	"differences": [{"place": "/app/info (layer 3)", "what": "content"}],
}}

asking(level, min) := object.union(at(level), {"settings": {"rebuild": {"minLevel": min}}})

test_asks_for_a_rebuild if rebuild.needs == {"rebuild"}

test_the_level_asked_for_passes if {
	denied(at(4)) == set()
	denied(at(5)) == set()
	denied(asking(2, 2)) == set()
}

test_rebuild_level if {
	denied(at(3)) == {"rebuild-level"}
	denied(asking(1, 2)) == {"rebuild-level"}
	denied(at("5")) == {"rebuild-level"}
	denied(at(null)) == {"rebuild-level"}
	denied({"rebuild": {"status": "compared"}}) == {"rebuild-level"}
	contains(message(at(3)), "reached R3 (some-name), R4 is asked for")
	contains(message(at(3)), "first: /app/info (layer 3) (content)")
}

test_rebuild_missing if {
	denied({}) == {"rebuild-missing"}
	denied({"rebuild": {}}) == {"rebuild-missing"}
	denied({"rebuild": {"status": "not-asked"}}) == {"rebuild-missing"}
	contains(message({"rebuild": {"status": "not-asked"}}), "--rebuild")
	contains(message({"rebuild": {"status": "no-provenance"}}), "trusted by name")
	contains(message({"rebuild": {"status": "new-to-this-rule"}}), "new-to-this-rule")
}

test_rebuild_not_replayable_names_each_gap if {
	gaps := [{"code": "mode-min", "field": "f", "why": "steps are not recorded", "fix": "use mode=max"}]
	document := {"rebuild": {"status": "not-replayable", "gaps": gaps}}
	denied(document) == {"rebuild-not-replayable"}
	endswith(message(document), "steps are not recorded: use mode=max")
	denied({"rebuild": {"status": "not-replayable"}}) == {"rebuild-not-replayable"}
}

test_rebuild_failed_says_why if {
	document := {"rebuild": {"status": "failed", "failure": {"kind": "timeout", "why": "30 minutes were over"}}}
	denied(document) == {"rebuild-failed"}
	contains(message(document), "(timeout): 30 minutes were over")
	denied({"rebuild": {"status": "failed"}}) == {"rebuild-failed"}
}

test_settings_invalid if {
	denied(asking(5, "4")) == {"settings-invalid"}
	denied(asking(5, null)) == {"settings-invalid"}
	denied(asking(5, 0)) == {"settings-invalid"}
	denied(asking(5, 6)) == {"rebuild-level", "settings-invalid"}
}

attested(level, weight, accepted) := {"rebuild": {
	"status": "not-asked",
	"attested": {"accepted": accepted, "level": level, "votes": [{"signer": "a", "weight": weight}]},
}}

test_rebuilds_of_others_count_where_the_operator_says_so if {
	denied(attested(5, "for", true)) == set()
	denied(attested(4, "for", true)) == set()
	denied(attested(3, "for", true)) == {"rebuild-missing"}
	denied(attested(null, "for", true)) == {"rebuild-missing"}
	denied(attested(5, "for", false)) == {"rebuild-missing"}
	denied(attested(5, "for", "true")) == {"rebuild-missing"}
	denied(attested(5, "against", true)) == {"rebuild-missing"}
}

test_rebuilds_of_others_do_not_mend_an_own_one if {
	own := object.union(at(0), {"rebuild": object.union(at(0).rebuild, attested(5, "for", true).rebuild)})
	mixed := json.patch(own, [{"op": "add", "path": "/rebuild/status", "value": "compared"}])
	denied(mixed) == {"rebuild-level"}
}
