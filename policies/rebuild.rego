# The image can be built again, and the result is the same.
package hallmark.rebuild

needs contains "rebuild"

default_level := 4

level_asked := object.get(input, ["settings", "rebuild", "minLevel"], default_level)

status := object.get(input, ["rebuild", "status"], "unknown")

# METADATA
# title: The image was rebuilt
# description: Only a rebuild shows that the image comes from the source that it names.
# custom:
#   code: rebuild-missing
#   about: [rebuild-not-run, provenance-missing]
#   severity: deny
#   solution: run with --rebuild, and without --no-rebuild and rebuild.when never; for an image without provenance, build it with --attest type=provenance,mode=max
deny contains {"code": "rebuild-missing", "msg": msg, "status": status} if {
	not status in {"compared", "not-replayable", "failed"}
	not attested_suffices
	msg := sprintf("the image was not rebuilt: %s", [object.get(reasons, status, status)])
}

# Rebuilds of others stand in for an own one where the operator said so, enough of them agree on a rung that is high
# enough, and nobody says that the image is another.
attested := object.get(input, ["rebuild", "attested"], {})

attested_suffices if {
	status == "not-asked"
	object.get(attested, "accepted", false) == true
	reached(object.get(attested, "level", -1))
	count(against) == 0
}

against := [vote | some vote in object.get(attested, "votes", []); vote.weight == "against"]

reasons := {
	"not-asked": "nobody asked for it with --rebuild, or --no-rebuild or rebuild.when never forbids it",
	"no-provenance": "none of its provenance is proven, and no rebuild came out of inputs that are trusted by name",
	"unknown": "the policy input says nothing about a rebuild",
}

# METADATA
# title: The provenance suffices to rebuild the image
# description: Each gap names what the provenance would have to say, and what the producer can do.
# custom:
#   code: rebuild-not-replayable
#   severity: deny
#   solution: build from a git commit with --attest type=provenance,mode=max, without local contexts and required secrets
deny contains {"code": "rebuild-not-replayable", "msg": msg, "gaps": codes} if {
	status == "not-replayable"
	gaps := object.get(input.rebuild, "gaps", [])
	codes := [gap.code | some gap in gaps]
	msg := sprintf("the provenance does not suffice to build the image again: %s", [concat("; ", [
		sprintf("%s: %s", [gap.why, gap.fix]) | some gap in gaps
	])])
}

# METADATA
# title: The rebuild succeeded
# description: A build that fails, or that cannot be run, proves nothing about the image.
# custom:
#   code: rebuild-failed
#   about: [rebuild-failed, rebuild-published-unreadable, rebuild-source-gone, rebuild-source-unreachable, rebuild-source-refused, rebuild-timeout, rebuild-platform-foreign, rebuild-engine-unavailable, source-not-saved]
#   severity: deny
#   solution: see the end of the build log; run again when the engine or the source answers
deny contains {"code": "rebuild-failed", "msg": msg, "kind": kind} if {
	status == "failed"
	kind := object.get(input.rebuild, ["failure", "kind"], "unknown")
	why := object.get(input.rebuild, ["failure", "why"], "no reason is known")
	msg := sprintf("the rebuild gave no image (%s): %s", [kind, why])
}

# METADATA
# title: The rebuilt image equals the published one
# description: >-
#   policy.settings.rebuild.minLevel is the rung that has to be reached: 5 manifest-identical, 4 config-identical (the default;
#   both are called reproducible), 3 layers-identical, 2 content-identical, 1 explained.
# custom:
#   code: rebuild-level
#   about: [rebuild-differs, rebuild-nondeterministic]
#   severity: deny
#   solution: see the differences and their Dockerfile lines; pass SOURCE_DATE_EPOCH and pin what the build fetches
deny contains {"code": "rebuild-level", "msg": msg, "level": level, "asked": level_asked} if {
	status == "compared"
	is_number(level_asked)
	level := object.get(input.rebuild, "level", -1)
	not reached(level)
	msg := sprintf("the rebuild reached R%v (%v), R%v is asked for; it is %v, and %s found%s", [
		level,
		object.get(input.rebuild, "levelName", "unknown"),
		level_asked,
		object.get(input.rebuild, "determinism", "unknown"),
		counted(count(differences), "difference was", "differences were"),
		first_places,
	])
}

reached(level) if {
	is_number(level)
	level >= level_asked
}

differences := object.get(input, ["rebuild", "differences"], [])

first_places := "" if count(differences) == 0

first_places := sprintf(", first: %s", [concat(", ", places)]) if {
	count(differences) > 0
	places := [sprintf("%v (%v)", [difference.place, difference.what]) |
		some difference in array.slice(differences, 0, 3)
	]
}

# METADATA
# title: The level that is asked for is a number
# description: A setting that is no rung of the ladder would make every comparison meaningless.
# custom:
#   code: settings-invalid
#   severity: deny
#   solution: set policy.settings.rebuild.minLevel to a number from 1 to 5
deny contains {"code": "settings-invalid", "msg": msg} if {
	not level_is_a_rung
	msg := sprintf("settings.rebuild.minLevel is %v, not a number from 1 to 5", [level_asked])
}

level_is_a_rung if level_asked in {1, 2, 3, 4, 5}

# A number with the words for one, or for none and several: "1 file is", "2 files are".
counted(number, one, _) := sprintf("%v %s", [number, one]) if number == 1

counted(number, _, several) := sprintf("%v %s", [number, several]) if number != 1
