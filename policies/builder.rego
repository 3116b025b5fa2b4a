# Who built the image, and in which way.
package hallmark.builder

build := input.provenance.build if input.provenance.state == "proven"

allowed := object.get(input, ["settings", "provenance", "builders"], [])

build_types := object.get(input, ["settings", "provenance", "buildTypes"], [])

# METADATA
# title: Builders are listed
# description: Without a list of builders every builder would do. policy.settings.provenance.builders has their identities; `**` is any.
# custom:
#   code: builder-not-listed
#   severity: deny
#   solution: "list the identities of your builders in policy.settings.provenance.builders, as hallmark inspect shows them"
deny contains {"code": "builder-not-listed", "msg": msg} if {
	count(allowed) == 0
	msg := "settings.provenance.builders lists no builder, so that none may have built the image"
}

# METADATA
# title: An allowed builder built the image
# description: >-
#   The identity of the builder in proven provenance matches one of policy.settings.provenance.builders. That it belongs to whoever signed the
#   provenance is held against the certificate before any rule is asked.
# custom:
#   code: builder-not-allowed
#   severity: deny
#   lacks: provenance
#   solution: >-
#     build with a builder of policy.settings.provenance.builders, or list this one after somebody looked at it; BuildKit names itself
#     with docker buildx build --provenance mode=max,builder-id=URL
deny contains {"code": "builder-not-allowed", "msg": msg} if {
	count(allowed) > 0
	not builder_is_allowed
	msg := sprintf("the builder %v", [builder])
}

default builder := "is not known: no provenance is proven"

builder := sprintf("%q is none of settings.provenance.builders", [build.builderId]) if said("builderId")

builder := "is not known: the proven provenance names none" if {
	is_object(build)
	not said("builderId")
}

builder_is_allowed if {
	said("builderId")
	some pattern in allowed
	glob.match(pattern, ["/"], build.builderId)
}

# METADATA
# title: The way in which the image was built is known
# description: >-
#   What the provenance means depends on its build type. It is one that hallmark reads, or one of policy.settings.provenance.buildTypes where
#   that lists some.
# custom:
#   code: build-type-not-allowed
#   severity: deny
#   lacks: provenance
#   solution: "build with a builder whose provenance hallmark reads, or list the type in policy.settings.provenance.buildTypes"
deny contains {"code": "build-type-not-allowed", "msg": msg} if {
	not type_is_allowed
	msg := sprintf("the build type %v of the provenance is not allowed", [build.buildType])
}

type_is_allowed if {
	count(build_types) == 0
	said("buildType")
	build.producer != "other"
}

type_is_allowed if {
	said("buildType")
	some pattern in build_types
	glob.match(pattern, ["/"], build.buildType)
}

# METADATA
# title: The provenance says what it has to
# description: Provenance names the builder, the way in which was built, and the repository of the source.
# custom:
#   code: provenance-fields-missing
#   severity: deny
#   lacks: provenance
#   solution: "let the builder write provenance of SLSA v1 with mode=max, from a git repository"
deny contains {"code": "provenance-fields-missing", "msg": msg, "fields": fields} if {
	fields := sort(lacking)
	count(fields) > 0
	msg := sprintf("%s: %s", [provenance, concat(", ", fields)])
}

default provenance := "no provenance is proven, which would say"

provenance := "the provenance does not say" if is_object(build)

lacking contains "builder" if not said("builderId")

lacking contains "build type" if not said("buildType")

lacking contains "source" if not source_is_said

said(field) if {
	is_string(build[field])
	build[field] != ""
}

source_is_said if {
	is_string(build.source.url)
	build.source.url != ""
}
