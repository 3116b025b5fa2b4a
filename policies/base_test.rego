package hallmark.base_test

import data.hallmark.base

debian := {"kind": "image", "uri": "pkg:docker/debian", "name": "docker.io/library/debian", "pin": "sha256:aa", "role": null}

golang := object.union(debian, {"name": "docker.io/library/golang"})

given(materials, settings) := {
	"image": {"baseLayers": 1},
	"provenance": {"state": "proven", "build": {"materials": materials}},
	"settings": settings,
}

bases := {"base": {"images": ["docker.io/library/debian"]}}

both := object.union(bases, {"provenance": {"toolchains": ["docker.io/library/golang"]}})

denied(document) := {result.code | some result in base.deny with input as document}

test_an_allowed_base_passes if {
	denied(given([debian], bases)) == set()
	denied(given([debian, golang], both)) == set()
	denied(given([debian, {"kind": "git", "uri": "u", "pin": null}], bases)) == set()
}

test_base_not_proven if {
	denied(object.union(given([debian], bases), {"image": {"baseLayers": null}})) == {"base-not-proven"}
	denied(object.union(given([debian], bases), {"image": {"baseLayers": 0}})) == {"base-not-proven"}
	denied(object.remove(given([debian], bases), ["image"])) == {"base-not-proven"}
}

test_base_not_listed if {
	denied(given([debian], {})) == {"base-not-listed"}
	denied(given([debian], {"base": {"images": []}})) == {"base-not-listed"}
}

test_base_not_recorded if {
	denied(given([], bases)) == {"base-not-recorded"}
	denied(given([{"kind": "git", "uri": "u", "pin": "aa"}], bases)) == {"base-not-recorded"}
	denied(object.union(given([debian], bases), {"provenance": {"state": "unproven"}})) == {"base-not-recorded"}
}

test_base_not_allowed if {
	denied(given([golang], bases)) == {"base-not-allowed"}
	denied(given([debian, golang], bases)) == {"base-not-allowed"}
	denied(given([object.union(golang, {"role": "base"})], both)) == {"base-not-allowed"}
	denied(given([object.union(debian, {"name": null})], bases)) == {"base-not-allowed"}
	denied(given([object.remove(golang, ["role"])], both)) == set()
	denied(given([object.remove(debian, ["name"])], bases)) == {"base-not-allowed"}
	denied(given([object.union(debian, {"name": null})], both)) == {"base-not-allowed"}
	some result in base.deny with input as given([object.union(debian, {"name": null})], bases)
	result.images == ["pkg:docker/debian"]
}

test_base_unpinned if {
	document := given([object.union(debian, {"pin": null})], bases)
	denied(document) == {"base-unpinned"}
	denied(given([object.remove(debian, ["pin"])], bases)) == {"base-unpinned"}
	some result in base.deny with input as document
	result.images == ["docker.io/library/debian"]
}

test_nothing_known_is_denied if denied({}) == {"base-not-listed", "base-not-proven", "base-not-recorded"}

test_a_tool_is_none_where_only_bases_are_listed if {
	tools := {"base": {"images": ["docker.io/library/debian"]}, "provenance": {"toolchains": ["docker.io/library/rust"]}}
	denied(given([debian, golang], tools)) == {"base-not-allowed"}
}

test_counts_have_their_noun if {
	base.counted(1, "file is", "files are") == "1 file is"
	base.counted(0, "file is", "files are") == "0 files are"
	base.counted(2, "file is", "files are") == "2 files are"
}
