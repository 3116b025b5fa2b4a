# Whether the image was built as a signed blueprint says: stages, bases, what is copied between them, and how it starts.
package hallmark.blueprint

approved := object.get(input, ["blueprint", "approved"], null)

missing := object.get(input, ["settings", "blueprint", "missing"], "deny")

has_blueprint if is_object(approved)

# The stages, where there is a blueprint to hold them against.
build := input.build if {
	has_blueprint
	input.build.state == "known"
}

# METADATA
# title: A blueprint is there for the image
# description: >-
#   policy.blueprints names the signed file that says how images of this name are built. Without one every build would do;
#   policy.settings.blueprint.missing makes that a warning.
# custom:
#   code: blueprint-missing
#   severity: deny
#   solution: "add the image to an entry of policy.blueprints; hallmark policy blueprint IMAGE writes a first one, to be reviewed and signed"
deny contains {"code": "blueprint-missing", "msg": msg} if {
	not has_blueprint
	missing != "warn"
	msg := missing_msg
}

# METADATA
# title: A blueprint is there for the image
# description: The same, where policy.settings.blueprint.missing is warn.
# custom:
#   code: blueprint-missing
#   severity: warn
#   solution: "add the image to an entry of policy.blueprints; hallmark policy blueprint IMAGE writes a first one, to be reviewed and signed"
warn contains {"code": "blueprint-missing", "msg": msg} if {
	not has_blueprint
	missing == "warn"
	msg := missing_msg
}

missing_msg := "policy.blueprints has no entry for this image, so that nobody says how it may be built"

# METADATA
# title: The stages of the build are known
# description: >-
#   What cannot be known cannot be held against a blueprint: provenance that nobody proved, or without its Dockerfile, variables in what
#   is copied, and contexts that stand for stages.
# custom:
#   code: blueprint-unreadable
#   severity: deny
#   solution: "build with provenance of mode=max, without named contexts, and write COPY --from without variables"
deny contains {"code": "blueprint-unreadable", "msg": msg} if {
	has_blueprint
	not build
	msg := sprintf("the stages of the build are not known: %s", [why])
}

default why := "the input has none"

why := input.build.why if is_string(input.build.why)

# METADATA
# title: The build has the stages of the blueprint
# description: Each stage that the image needs is one of the blueprint, each of the blueprint but tests is built, and the image is the one with the role runtime.
# custom:
#   code: blueprint-stage
#   severity: deny
#   review: true
#   solution: "build with the stages of the blueprint, or have a new blueprint signed"
deny contains {"code": "blueprint-stage", "msg": msg, "deviations": deviations} if {
	deviations := [deviation | some deviation in stage_deviations]
	count(deviations) > 0
	names := [sprintf("%s %s", [deviation.stage, deviation.is]) | some deviation in deviations]
	msg := sprintf("%s from the blueprint: %s", [counted(count(names), "stage differs", "stages differ"), some_of(names)])
}

stages[stage.name] := stage if some stage in approved.stages

built contains stage.name if some stage in build.stages

stage_deviations contains {"stage": name, "is": "is not in it"} if {
	some name in built
	not stages[name]
}

stage_deviations contains {"stage": name, "is": "was not built"} if {
	build
	some name, stage in stages
	stage.role != "test"
	not name in built
}

stage_deviations contains {"stage": build.target, "is": "is not its runtime stage"} if {
	stages[build.target].role != "runtime"
}

# METADATA
# title: Each stage stands on an approved base
# description: >-
#   The base of each stage is the one of the blueprint, by repository and digest, and the build took no image that neither a stage nor the
#   list of tools names.
# custom:
#   code: blueprint-base
#   severity: deny
#   review: true
#   solution: "build on the bases of the blueprint, or have one signed with this base"
deny contains {"code": "blueprint-base", "msg": msg, "deviations": deviations} if {
	deviations := [deviation | some deviation in base_deviations]
	count(deviations) > 0
	names := [sprintf("%s %s", [deviation.where, shown(deviation.found)]) | some deviation in deviations]
	msg := sprintf("%s not approved: %s", [counted(count(names), "image that the build took is", "images that the build took are"), some_of(names)])
}

base_deviations contains {"where": sprintf("stage %s on", [stage.name]), "found": stage.base} if {
	some stage in build.stages
	allowed := stages[stage.name]
	not stands_on(stage, allowed)
}

stands_on(stage, allowed) if is_same(allowed.base, stage.base)

base_deviations contains {"where": "beside the stages", "found": image} if {
	some image in build.otherImages
	not is_tool(image)
}

is_tool(image) if {
	some tool in approved.tools
	is_image(tool, image)
}

# METADATA
# title: Only approved files are copied between stages
# description: >-
#   Each path of COPY --from and of mounts is one that an edge of the blueprint allows from there to this stage. A path that is itself a
#   pattern has to stand in the blueprint as it is.
# custom:
#   code: blueprint-edge
#   severity: deny
#   review: true
#   solution: "copy what the blueprint names, or have one signed with this edge"
deny contains {"code": "blueprint-edge", "msg": msg, "deviations": deviations} if {
	deviations := [deviation | some deviation in edge_deviations]
	count(deviations) > 0
	names := [name |
		some deviation in deviations
		name := sprintf("%s from %s into %s", [deviation.path, shown(deviation.from), deviation.to])
	]
	msg := sprintf("%s copied that the blueprint does not allow: %s", [counted(count(names), "path is", "paths are"), some_of(names)])
}

edge_deviations contains {"from": edge.from, "to": edge.to, "kind": edge.kind, "path": path} if {
	some edge in build.edges
	some path in edge.paths
	not is_allowed(edge, path)
}

is_allowed(edge, path) if {
	some allowed in approved.edges
	allowed.to == edge.to
	is_same(allowed.from, edge.from)
	some pattern in allowed.paths
	matches(pattern, path)
}

matches(pattern, path) if pattern == path

matches(pattern, path) if {
	not is_pattern(path)
	glob.match(pattern, ["/"], path)
}

is_pattern(path) if {
	some sign in ["*", "?", "[", "]", "{", "}", "!"]
	contains(path, sign)
}

# METADATA
# title: An approved frontend read the Dockerfile
# description: A frontend may make anything of a Dockerfile, so that it is approved by its digest, or is the one that is part of BuildKit.
# custom:
#   code: blueprint-frontend
#   severity: deny
#   review: true
#   solution: "build with a frontend of the blueprint (# syntax=), or have one signed with its digest"
deny contains {"code": "blueprint-frontend", "msg": msg, "deviations": [build.frontend]} if {
	frontend := build.frontend
	not reads_it(frontend)
	msg := sprintf("the Dockerfile was read by %s, which is not approved", [shown(frontend)])
}

reads_it(frontend) if {
	frontend.kind == "builtin"
	"builtin" in approved.frontends
}

reads_it(frontend) if {
	frontend.kind == "image"
	are_all(frontend.digests, approved.frontends)
}

# METADATA
# title: The Dockerfile is an approved one
# description: Where the blueprint lists digests of Dockerfiles, the recorded one has one of them.
# custom:
#   code: blueprint-dockerfile
#   severity: deny
#   review: true
#   solution: "build with a Dockerfile of the blueprint, or have one signed with its digest, or without digests of Dockerfiles"
deny contains {"code": "blueprint-dockerfile", "msg": msg, "deviations": [build.dockerfile]} if {
	dockerfiles := approved.dockerfiles
	count(dockerfiles) > 0
	dockerfile := build.dockerfile
	not dockerfile in dockerfiles
	msg := sprintf("the Dockerfile %s is none of the blueprint's", [build.dockerfile])
}

# METADATA
# title: The image starts as approved
# description: User, entry point and arguments are those of the blueprint, and so are the names of all variables, ports, volumes and labels that it lists.
# custom:
#   code: blueprint-runtime
#   severity: deny
#   review: true
#   solution: "mend USER, ENTRYPOINT, CMD, ENV, EXPOSE, VOLUME or LABEL in the Dockerfile, or have a new blueprint signed"
deny contains {"code": "blueprint-runtime", "msg": msg, "deviations": deviations} if {
	deviations := [deviation | some deviation in runtime_deviations]
	count(deviations) > 0
	names := [deviation.field | some deviation in deviations]
	msg := sprintf("%s from the blueprint: %s", [counted(count(names), "setting of the image differs", "settings of the image differ"), concat(", ", names)])
}

runtime := object.get(input, ["blueprint", "approved", "runtime"], {})

config := object.get(input, ["image", "config"], {})

runtime_deviations contains {"field": field, "expected": expected, "found": found} if {
	some field in ["user", "entrypoint", "cmd"]
	expected := object.get(runtime, field, null)
	expected != null
	found := object.get(config, field, null)
	found != expected
}

runtime_deviations contains {"field": field, "expected": expected, "found": found} if {
	some field, found in named
	wanted := object.get(runtime, field, null)
	is_array(wanted)
	expected := sort({name | some name in wanted})
	found != expected
}

# What the image has, by name alone.
named := {
	"env": sort({split(entry, "=")[0] | some entry in object.get(config, "env", [])}),
	"ports": sort({port | some port in object.get(config, "exposedPorts", [])}),
	"volumes": sort({volume | some volume in object.get(config, "volumes", [])}),
	"labels": sort({name | some name, _ in object.get(input, ["image", "labels"], {})}),
}

is_same(allowed, found) if {
	allowed.kind == "scratch"
	found.kind == "scratch"
}

is_same(allowed, found) if {
	allowed.kind == "stage"
	found.kind == "stage"
	allowed.stage == found.stage
}

is_same(allowed, found) if {
	allowed.kind == "image"
	found.kind == "image"
	is_image(allowed, found)
}

is_image(allowed, found) if {
	allowed.repository == found.repository
	are_all(found.digests, allowed.digests)
}

# Some, and none that is not listed.
are_all(digests, listed) if {
	count(digests) > 0
	count([digest | some digest in digests; not digest in listed]) == 0
}

shown(taken) := "scratch" if taken.kind == "scratch"

shown(taken) := "the frontend of BuildKit" if taken.kind == "builtin"

shown(taken) := sprintf("stage %s", [taken.stage]) if taken.kind == "stage"

shown(taken) := sprintf("%v (%s)", [taken.repository, pins]) if {
	taken.kind == "image"
	pins := concat(", ", [digest | some digest in taken.digests])
}

some_of(names) := concat(", ", names) if count(names) <= 10

some_of(names) := sprintf("%s and %d more", [concat(", ", array.slice(names, 0, 10)), count(names) - 10]) if {
	count(names) > 10
}

# A number with the words for one, or for none and several: "1 file is", "2 files are".
counted(number, one, _) := sprintf("%v %s", [number, one]) if number == 1

counted(number, _, several) := sprintf("%v %s", [number, several]) if number != 1
