package hallmark.materials_test

import data.hallmark.materials

base := {"kind": "image", "uri": "pkg:docker/debian@12", "name": "docker.io/library/debian", "pin": "sha256:aa", "role": "base"}

tool := {"kind": "image", "uri": "pkg:docker/golang@1", "name": "docker.io/library/golang", "pin": "sha256:bb", "role": "toolchain"}

build := {
	"materials": [base, tool],
	"buildArgs": {"VERSION": "1"},
	"localInputs": [],
	"network": "none",
	"frontend": null,
	"completeParameters": true,
	"completeMaterials": true,
	"completeSteps": true,
}

given(change, settings) := {
	"provenance": {"state": "proven", "build": object.union(build, change)},
	"settings": {"provenance": settings},
}

denied(document) := {result.code | some result in materials.deny with input as document}

warned(document) := {result.code | some result in materials.warn with input as document}

test_what_is_pinned_and_complete_passes if {
	denied(given({}, {})) == set()
	warned(given({}, {})) == set()
}

test_materials_unknown if {
	denied({}) == {"materials-unknown"}
	denied(object.union(given({}, {}), {"provenance": {"state": "unproven"}})) == {"materials-unknown"}
	denied({"provenance": {"state": "proven", "build": null}}) == {"materials-unknown"}
}

test_material_unpinned if {
	document := given({"materials": [base, object.union(tool, {"pin": null})]}, {})
	denied(document) == {"material-unpinned"}
	denied(given({"materials": [object.remove(base, ["pin"])]}, {})) == {"material-unpinned"}
	some result in materials.deny with input as document
	result.materials == ["pkg:docker/golang@1"]
}

test_many_names_are_cut if {
	many := [{"kind": "git", "uri": sprintf("g%d", [n]), "pin": null} | some n in numbers.range(1, 11)]
	some result in materials.deny with input as given({"materials": many}, {})
	contains(result.msg, "11 inputs of the build have no digest: g1, g10, g11")
	endswith(result.msg, "g8 and 1 more")
	some other in materials.deny with input as given({"materials": array.slice(many, 0, 10)}, {})
	endswith(other.msg, "g1, g10, g2, g3, g4, g5, g6, g7, g8, g9")
}

test_provenance_incomplete_denies_or_warns_as_set if {
	every field in ["completeParameters", "completeMaterials", "completeSteps"] {
		document := given({field: false}, {})
		denied(document) == {"provenance-incomplete"}
		warned(document) == set()
		lenient := given({field: false}, {"incomplete": "warn"})
		denied(lenient) == set()
		warned(lenient) == {"provenance-incomplete"}
	}
	without := {"provenance": {"state": "proven", "build": object.remove(build, ["completeSteps"])}}
	denied(without) == {"provenance-incomplete"}
	some result in materials.deny with input as given({"completeSteps": null}, {})
	result.parts == ["steps"]
}

test_build_network_open if {
	warned(given({"network": "default"}, {})) == {"build-network-open"}
	warned(given({"network": "unknown"}, {})) == {"build-network-open"}
}

test_material_remote if {
	remote := {"kind": "http", "uri": "https://files.example/a.tar", "pin": "sha256:cc"}
	warned(given({"materials": [remote]}, {})) == {"material-remote"}
	denied(given({"materials": [remote]}, {})) == set()
}

test_material_local if denied(given({"localInputs": ["context"]}, {})) == {"material-local"}

test_argument_unexpected if {
	denied(given({}, {"arguments": []})) == {"argument-unexpected"}
	denied(given({}, {"arguments": ["OTHER"]})) == {"argument-unexpected"}
	denied(given({}, {"arguments": ["VERSION"]})) == set()
	denied(object.remove(given({}, {"arguments": []}), ["provenance"])) == {"materials-unknown"}
	denied(given({}, {"arguments": ["OTHER", "VERSION"]})) == set()
}

test_toolchain_not_approved if {
	warned(given({}, {"toolchains": ["docker.io/library/golang"]})) == set()
	warned(given({}, {"toolchains": ["docker.io/library/*"]})) == set()
	warned(given({}, {"toolchains": []})) == set()
	warned(given({}, {"toolchains": ["docker.io/library/rust"]})) == {"toolchain-not-approved"}
	warned(given({"materials": [base]}, {"toolchains": ["docker.io/library/rust"]})) == set()
	frontend := {"materials": [], "frontend": "docker.io/docker/dockerfile:1@sha256:dd"}
	warned(given(frontend, {"toolchains": ["docker.io/docker/dockerfile"]})) == set()
	warned(given(frontend, {"toolchains": ["docker.io/docker/dockerfile:1"]})) == set()
	warned(given(frontend, {"toolchains": ["docker.io/docker/dockerfile:1@sha256:dd"]})) == set()
	warned(given(frontend, {"toolchains": ["docker.io/docker/dockerfile:2"]})) == {"toolchain-not-approved"}
}

test_the_message_names_what_is_not_recorded if {
	change := {"completeParameters": false, "completeMaterials": false, "completeSteps": false}
	some result in materials.deny with input as given(change, {})
	result.parts == ["materials", "parameters", "steps"]
}

test_without_the_setting_any_argument_may_be_given if {
	denied(given({}, {"arguments": "VERSION"})) == set()
	denied(given({}, {})) == set()
}

test_a_toolchain_without_a_name_is_no_image if {
	nameless := object.union(tool, {"name": null})
	warned(given({"materials": [nameless]}, {"toolchains": ["docker.io/library/rust"]})) == set()
}

test_counts_have_their_noun if {
	materials.counted(1, "file is", "files are") == "1 file is"
	materials.counted(0, "file is", "files are") == "0 files are"
	materials.counted(2, "file is", "files are") == "2 files are"
}
