package hallmark.source_test

import data.hallmark.source

build := {
	"source": {"url": "https://git.example/team/app", "commit": "0123abcd"},
	"branch": "main",
	"tag": null,
}

given(change, settings) := {
	"image": {"labels": {}},
	"provenance": {"state": "proven", "build": object.union(build, change)},
	"settings": {"provenance": settings},
}

team := {"sources": ["https://git.example/team/*"]}

denied(document) := {result.code | some result in source.deny with input as document}

labelled(name, text) := denied(object.union(given({}, team), {"image": {"labels": {name: text}}}))

test_a_listed_source_passes if {
	denied(given({}, team)) == set()
	denied(given({}, {"sources": ["https://other.example/**", "https://git.example/team/app"]})) == set()
}

test_source_not_listed if {
	denied(given({}, {})) == {"source-not-listed"}
	denied(given({}, {"sources": []})) == {"source-not-listed"}
}

test_source_not_allowed if {
	denied(given({"source": {"url": "https://git.example/other/app"}}, team)) == {"source-not-allowed"}
	denied(given({"source": {"url": "https://git.example/team/a/b"}}, team)) == {"source-not-allowed"}
	denied(given({"source": null}, team)) == {"source-not-allowed"}
	some result in source.deny with input as given({"source": {"url": "https://git.example/x"}}, team)
	contains(result.msg, "https://git.example/x")
}

test_source_ref_not_allowed if {
	branches := object.union(team, {"branches": ["main", "release/*"]})
	denied(given({}, branches)) == set()
	denied(given({"branch": "release/1"}, branches)) == set()
	denied(given({"branch": "topic"}, branches)) == {"source-ref-not-allowed"}
	denied(given({"branch": null}, branches)) == {"source-ref-not-allowed"}
	denied(given({"branch": null, "tag": "main"}, branches)) == {"source-ref-not-allowed"}
	tags := object.union(team, {"tags": ["v*"]})
	denied(given({"tag": "v1"}, tags)) == set()
	denied(given({"tag": "x1"}, tags)) == {"source-ref-not-allowed"}
	denied(given({}, tags)) == {"source-ref-not-allowed"}
	denied(given({"tag": "v1"}, object.union(tags, {"branches": ["release"]}))) == set()
}

test_the_message_names_what_is_proven if {
	settings := object.union(team, {"branches": ["release"]})
	some one in source.deny with input as given({"tag": "v1"}, settings)
	endswith(one.msg, "proven is branch main, tag v1")
	some other in source.deny with input as given({"branch": null}, settings)
	endswith(other.msg, "proven is none")
}

test_source_label_differs if {
	labelled("org.opencontainers.image.revision", "0123ABCD") == set()
	labelled("org.opencontainers.image.revision", "") == set()
	labelled("org.opencontainers.image.revision", "4567") == {"source-label-differs"}
	labelled("org.opencontainers.image.source", "https://git.example/team/app.git") == set()
	labelled("org.opencontainers.image.source", "git@git.example:team/other") == set()
	labelled("org.opencontainers.image.source", "HTTPS://git.example/Team/app/") == set()
	labelled("org.opencontainers.image.source", "https://git.example/team/other") == {"source-label-differs"}
}

test_a_label_beside_provenance_without_a_commit_is_not_compared if {
	document := object.union(given({"source": {"url": "https://git.example/team/app", "commit": null}}, team), {"image": {"labels": {"org.opencontainers.image.revision": "4567"}}})
	denied(document) == set()
}

test_nothing_known_is_denied if {
	denied({}) == {"source-not-listed"}
	denied({"settings": {"provenance": team}}) == {"source-not-allowed"}
}

test_what_nobody_proved_is_nothing if {
	denied(object.union(given({}, team), {"provenance": {"state": "unproven"}})) == {"source-not-allowed"}
}

test_the_message_says_what_is_known_of_the_source if {
	messages := {words |
		some document in [
			{"settings": {"provenance": team}},
			given({"source": null}, team),
			given({"source": {"url": "https://git.example/x"}}, team),
		]
		some result in source.deny with input as document
		words := result.msg
	}
	messages == {
		"the source is not known: no provenance is proven",
		"the source is not known: the proven provenance names none",
		`the source "https://git.example/x" is none of settings.provenance.sources`,
	}
}

test_an_empty_source_is_none if {
	denied(given({"source": {"url": ""}}, {"sources": ["**"]})) == {"source-not-allowed"}
}

test_what_the_provenance_does_not_say_is_not_compared if {
	labels := {"image": {"labels": {"org.opencontainers.image.source": "https://git.example/x"}}}
	denied(object.union(given({"source": {"url": null}}, team), labels)) == {"source-not-allowed"}
	told := {result.label | some result in source.deny with input as object.union(given({}, team), labels)}
	told == {"org.opencontainers.image.source"}
}

test_schemes_of_a_source_do_not_differ if {
	over_git := given({"source": {"url": "git+https://git.example/team/app"}}, {"sources": ["git+https://git.example/**"]})
	labels := {"image": {"labels": {"org.opencontainers.image.source": "http://git.example/team/app"}}}
	denied(object.union(over_git, labels)) == set()
}

test_one_branch_is_named if {
	some result in source.deny with input as given({}, object.union(team, {"branches": ["release"]}))
	endswith(result.msg, "proven is branch main")
}

test_other_labels_are_not_compared if {
	labelled("org.opencontainers.image.url", "https://git.example/x") == set()
	labelled("org.opencontainers.image.version", "4567") == set()
}
