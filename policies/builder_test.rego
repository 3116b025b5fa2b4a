package hallmark.builder_test

import data.hallmark.builder

id := "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/builder.yml@refs/tags/v2.1.0"

build := {
	"builderId": id,
	"buildType": "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1",
	"producer": "github-actions",
	"source": {"url": "https://git.example/app", "commit": "0123"},
}

given(change, settings) := {
	"provenance": {"state": "proven", "build": object.union(build, change)},
	"settings": {"provenance": settings},
}

any := {"builders": ["**"]}

denied(document) := {result.code | some result in builder.deny with input as document}

test_a_listed_builder_passes if {
	denied(given({}, any)) == set()
	denied(given({}, {"builders": [id]})) == set()
	denied(given({}, {"builders": ["https://other.example/*", "https://github.com/slsa-framework/**"]})) == set()
}

test_builder_not_listed if {
	denied(given({}, {})) == {"builder-not-listed"}
	denied(given({}, {"builders": []})) == {"builder-not-listed"}
}

test_builder_not_allowed if {
	denied(given({}, {"builders": ["https://github.com/*"]})) == {"builder-not-allowed"}
	denied(given({}, {"builders": ["github.com/**"]})) == {"builder-not-allowed"}
	some result in builder.deny with input as given({}, {"builders": ["https://other.example/**"]})
	contains(result.msg, "v2.1.0")
}

test_a_builder_without_a_name_is_none_of_any if {
	denied(given({"builderId": ""}, any)) == {"builder-not-allowed", "provenance-fields-missing"}
	denied(given({"builderId": null}, any)) == {"builder-not-allowed", "provenance-fields-missing"}
}

test_build_type_not_allowed if {
	denied(given({"producer": "other"}, any)) == {"build-type-not-allowed"}
	denied(given({"buildType": ""}, any)) == {"build-type-not-allowed", "provenance-fields-missing"}
	denied(given({"buildType": null}, any)) == {"build-type-not-allowed", "provenance-fields-missing"}
	types := object.union(any, {"buildTypes": ["https://types.example/*"]})
	denied(given({}, types)) == {"build-type-not-allowed"}
	denied(given({"buildType": null}, types)) == {"build-type-not-allowed", "provenance-fields-missing"}
	denied(given({"buildType": "https://types.example/v1", "producer": "other"}, types)) == set()
}

test_provenance_fields_missing if {
	denied(given({"source": null}, any)) == {"provenance-fields-missing"}
	denied(given({"source": {"url": "", "commit": "0123"}}, any)) == {"provenance-fields-missing"}
	some result in builder.deny with input as given({"source": null}, any)
	result.fields == ["source"]
}

test_nothing_known_is_denied if {
	denied({}) == {"builder-not-listed", "provenance-fields-missing"}
	denied({"settings": {"provenance": any}}) == {"builder-not-allowed", "provenance-fields-missing"}
}

test_what_nobody_proved_is_nothing if {
	unproven := object.union(given({}, any), {"provenance": {"state": "unproven"}})
	denied(unproven) == {"builder-not-allowed", "provenance-fields-missing"}
}

test_the_messages_say_what_is_missing if {
	some one in builder.deny with input as {"settings": {"provenance": any}}
	one.code == "builder-not-allowed"
	contains(one.msg, "is not known: no provenance is proven")
	some unnamed in builder.deny with input as given({"builderId": ""}, any)
	unnamed.code == "builder-not-allowed"
	contains(unnamed.msg, "the proven provenance names none")
	not contains(unnamed.msg, "is none of")
	some other in builder.deny with input as given({"builderId": "", "buildType": ""}, any)
	other.code == "provenance-fields-missing"
	other.fields == ["build type", "builder"]
}

test_a_source_that_is_no_text_is_missing if {
	denied(given({"source": {"url": null}}, any)) == {"provenance-fields-missing"}
}

fields_told(document) := {result.msg | some result in builder.deny with input as document; result.code == "provenance-fields-missing"}

test_what_is_not_said_is_told_apart_from_what_nobody_proved if {
	fields_told(given({"source": null}, any)) == {"the provenance does not say: source"}
	fields_told({"settings": {"provenance": any}}) == {"no provenance is proven, which would say: build type, builder, source"}
}
