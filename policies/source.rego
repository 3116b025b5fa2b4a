# From which repository, branch and commit the image was built.
package hallmark.source

build := input.provenance.build if input.provenance.state == "proven"

sources := object.get(input, ["settings", "provenance", "sources"], [])

branches := object.get(input, ["settings", "provenance", "branches"], [])

tags := object.get(input, ["settings", "provenance", "tags"], [])

# METADATA
# title: Repositories are listed
# description: Without a list every repository would do. policy.settings.provenance.sources has the URLs of those that images may come from.
# custom:
#   code: source-not-listed
#   severity: deny
#   solution: "list the URLs of your repositories in policy.settings.provenance.sources, as https://git.example/team/*"
deny contains {"code": "source-not-listed", "msg": msg} if {
	count(sources) == 0
	msg := "settings.provenance.sources lists no repository, so that the image may come from none"
}

# METADATA
# title: The image was built from an allowed repository
# description: The URL of the source in proven provenance matches one of policy.settings.provenance.sources.
# custom:
#   code: source-not-allowed
#   severity: deny
#   lacks: provenance
#   solution: >-
#     build from a repository of policy.settings.provenance.sources, or list this one after somebody looked at it; BuildKit names the
#     repository that it builds from: docker buildx build --provenance mode=max URL#COMMIT
deny contains {"code": "source-not-allowed", "msg": msg} if {
	count(sources) > 0
	not source_is_allowed
	msg := sprintf("the source %v", [source])
}

default source := "is not known: no provenance is proven"

source := sprintf("%q is none of settings.provenance.sources", [build.source.url]) if source_is_said

source := "is not known: the proven provenance names none" if {
	is_object(build)
	not source_is_said
}

source_is_said if {
	is_string(build.source.url)
	build.source.url != ""
}

source_is_allowed if {
	source_is_said
	some pattern in sources
	glob.match(pattern, ["/"], build.source.url)
}

# METADATA
# title: The image was built from an allowed branch or tag
# description: >-
#   Where policy.settings.provenance.branches or policy.settings.provenance.tags lists some, the commit lies on a branch, or has a tag, that matches
#   one of them. Names that nothing proves to hold the commit are none.
# custom:
#   code: source-ref-not-allowed
#   severity: deny
#   lacks: provenance
#   solution: "build from a branch or tag that is allowed, and let the certificate of the signer or the repository's history prove it"
deny contains {"code": "source-ref-not-allowed", "msg": msg} if {
	count(branches) + count(tags) > 0
	not ref_is_allowed
	msg := sprintf("the commit is not proven to lie on an allowed branch or tag; proven is %s", [refs])
}

default refs := "none"

refs := concat(", ", sort(proven_refs)) if count(proven_refs) > 0

proven_refs contains sprintf("branch %s", [build.branch]) if is_string(build.branch)

proven_refs contains sprintf("tag %s", [build.tag]) if is_string(build.tag)

ref_is_allowed if {
	is_string(build.branch)
	some pattern in branches
	glob.match(pattern, ["/"], build.branch)
}

ref_is_allowed if {
	is_string(build.tag)
	some pattern in tags
	glob.match(pattern, ["/"], build.tag)
}

# METADATA
# title: Labels and provenance name one source
# description: >-
#   Where the image has the labels org.opencontainers.image.revision and org.opencontainers.image.source, they say the commit and the repository
#   of proven provenance. People read labels; nobody proves them.
# custom:
#   code: source-label-differs
#   severity: deny
#   solution: "set both labels from the values of the build, or leave them out"
deny contains {"code": "source-label-differs", "msg": msg, "label": label} if {
	label := "org.opencontainers.image.revision"
	said := input.image.labels[label]
	said != ""
	is_string(build.source.commit)
	lower(said) != lower(build.source.commit)
	msg := sprintf("the label %s says %q and the provenance %q", [label, said, build.source.commit])
}

deny contains {"code": "source-label-differs", "msg": msg, "label": label} if {
	label := "org.opencontainers.image.source"
	said := input.image.labels[label]
	regex.match(`^(?i)https?://`, said)
	is_string(build.source.url)
	repository(said) != repository(build.source.url)
	msg := sprintf("the label %s says %q and the provenance %q", [label, said, build.source.url])
}

# How repositories are written differs: with and without scheme and ".git".
repository(url) := trim_suffix(trim_suffix(plain, "/"), ".git") if {
	plain := regex.replace(lower(url), `^(git\+)?https?://`, "")
}
