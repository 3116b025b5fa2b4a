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

test_the_messages_say_what_is_not_known if {
	contains(message({}), "the policy input says nothing about a rebuild")
	message({"rebuild": {"status": "failed"}}) == "the rebuild gave no image (unknown): no reason is known"
	bare := message({"rebuild": {"status": "compared"}})
	bare == "the rebuild reached R-1 (unknown), R4 is asked for; it is unknown, and 0 differences were found"
}

test_the_message_tells_how_it_differs if {
	places := [{"place": sprintf("/f%d", [n]), "what": "content"} | some n in numbers.range(1, 4)]
	given := json.patch(at(3), [{"op": "replace", "path": "/rebuild/differences", "value": places}])
	told := message(given)
	contains(told, "it is consistently-different, and 4 differences were found, first: /f1 (content), /f2 (content), /f3 (content)")
	not contains(told, "/f4")
}

test_every_rung_may_be_asked_for if {
	every rung in [1, 2, 3, 4, 5] {
		denied(asking(5, rung)) == set()
	}
}

test_rebuilds_of_others_stand_in_only_where_nobody_asked_for_an_own_one if {
	given := attested(5, "for", true)
	denied(json.patch(given, [{"op": "replace", "path": "/rebuild/status", "value": "no-provenance"}])) == {"rebuild-missing"}
}

test_rebuilds_of_others_without_a_rung_reach_none if {
	given := json.patch(attested(5, "for", true), [{"op": "remove", "path": "/rebuild/attested/level"}])
	denied(object.union(given, {"settings": {"rebuild": {"minLevel": 1}}})) == {"rebuild-missing"}
}

test_a_comparison_without_a_rung_reaches_none if {
	denied({"rebuild": {"status": "compared"}, "settings": {"rebuild": {"minLevel": 1}}}) == {"rebuild-level"}
}

test_counts_have_their_noun if {
	rebuild.counted(1, "file is", "files are") == "1 file is"
	rebuild.counted(0, "file is", "files are") == "0 files are"
	rebuild.counted(2, "file is", "files are") == "2 files are"
}
