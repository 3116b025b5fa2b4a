package hallmark.blueprint_test

import data.hallmark.blueprint

debian := {"kind": "image", "repository": "registry.example/debian", "digests": ["sha256:aa"]}

found_debian := object.union(debian, {"stage": null})

approved := {
	"stages": [
		{"name": "build", "role": "build", "base": debian},
		{"name": "check", "role": "test", "base": {"kind": "stage", "stage": "build"}},
		{"name": "final", "role": "runtime", "base": {"kind": "scratch"}},
	],
	"edges": [{"from": {"kind": "stage", "stage": "build"}, "to": "final", "paths": ["/out/*", "/lib/*.so"]}],
	"frontends": ["builtin", "sha256:ff"],
	"dockerfiles": ["sha256:dd"],
	"tools": [{"repository": "registry.example/scanner", "digests": ["sha256:cc"]}],
	"runtime": {"user": "65532", "entrypoint": ["/app"], "cmd": null, "env": ["PATH"], "ports": [], "volumes": null, "labels": ["owner"]},
}

edge := {"from": {"kind": "stage", "stage": "build", "repository": null, "digests": []}, "to": "final", "kind": "copy", "paths": ["/out/app"], "line": 4}

build := {
	"state": "known",
	"why": null,
	"dockerfile": "sha256:dd",
	"frontend": {"kind": "builtin", "stage": null, "repository": null, "digests": []},
	"target": "final",
	"stages": [
		{"name": "build", "base": found_debian, "line": 1},
		{"name": "final", "base": {"kind": "scratch", "stage": null, "repository": null, "digests": []}, "line": 3},
	],
	"edges": [edge],
	"otherImages": [],
}

image := {
	"config": {"user": "65532", "entrypoint": ["/app"], "cmd": ["-v"], "env": ["PATH=/bin"], "exposedPorts": [], "volumes": []},
	"labels": {"owner": "team"},
}

honest := {"image": image, "blueprint": {"approved": approved}, "build": build, "settings": {}}

with_build(changes) := object.union(honest, {"build": changes})

with_config(changes) := object.union(honest, {"image": {"config": changes}})

based(base) := with_build({"stages": [{"name": "build", "base": base, "line": 1}, build.stages[1]]})

copied(changes) := with_build({"edges": [object.union(edge, changes)]})

read_by(frontend) := with_build({"frontend": frontend})

denied(document) := {result.code | some result in blueprint.deny with input as document}

told(document) := {deviation | some result in blueprint.deny with input as document; some deviation in result.deviations}

test_the_approved_build_passes if {
	denied(honest) == set()
	denied(with_build({"edges": [object.union(edge, {"paths": ["/lib/*.so"]})]})) == set()
	check := {"name": "check", "base": {"kind": "stage", "stage": "build"}, "line": 2}
	denied(with_build({"stages": array.concat(build.stages, [check])})) == set()
	denied(with_build({"otherImages": [{"kind": "image", "repository": "registry.example/scanner", "digests": ["sha256:cc"]}]})) == set()
	denied(with_build({"frontend": {"kind": "image", "repository": "docker.io/docker/dockerfile", "digests": ["sha256:ff"]}})) == set()
}

test_blueprint_missing if {
	denied({}) == {"blueprint-missing"}
	denied(object.remove(honest, ["blueprint"])) == {"blueprint-missing"}
	denied(object.union(honest, {"blueprint": null})) == {"blueprint-missing"}
	gently := {"settings": {"blueprint": {"missing": "warn"}}}
	denied(gently) == set()
	{result.code | some result in blueprint.warn with input as gently} == {"blueprint-missing"}
	count(blueprint.warn) == 0 with input as honest
	count(blueprint.warn) == 0 with input as object.union(honest, gently)
}

test_blueprint_unreadable if {
	denied(object.remove(honest, ["build"])) == {"blueprint-unreadable"}
	denied(object.union(honest, {"build": {"state": "unknown", "why": "w"}})) == {"blueprint-unreadable"}
	some result in blueprint.deny with input as object.union(honest, {"build": {"state": "unknown", "why": "w"}})
	endswith(result.msg, "not known: w")
}

test_blueprint_stage if {
	other := {"name": "more", "base": found_debian, "line": 2}
	more := with_build({"stages": array.concat(build.stages, [other])})
	denied(more) == {"blueprint-stage"}
	told(more) == {{"stage": "more", "is": "is not in it"}}
	fewer := with_build({"stages": array.slice(build.stages, 1, 2), "edges": []})
	told(fewer) == {{"stage": "build", "is": "was not built"}}
	target := with_build({"target": "build"})
	denied(target) == {"blueprint-stage"}
	told(target) == {{"stage": "build", "is": "is not its runtime stage"}}
}

test_blueprint_base if {
	denied(based(object.union(found_debian, {"digests": ["sha256:bb"]}))) == {"blueprint-base"}
	denied(based(object.union(found_debian, {"digests": ["sha256:aa", "sha256:bb"]}))) == {"blueprint-base"}
	denied(based(object.union(found_debian, {"digests": []}))) == {"blueprint-base"}
	denied(based(object.union(found_debian, {"repository": "registry.example/other"}))) == {"blueprint-base"}
	denied(based({"kind": "scratch"})) == {"blueprint-base"}
	denied(based({"kind": "stage", "stage": "build"})) == {"blueprint-base"}
	beside := with_build({"otherImages": [{"kind": "image", "repository": "registry.example/scanner", "digests": ["sha256:dd"]}]})
	denied(beside) == {"blueprint-base"}
	stage := {"name": "check", "base": {"kind": "stage", "stage": "final"}, "line": 2}
	denied(with_build({"stages": array.concat(build.stages, [stage])})) == {"blueprint-base"}
}

test_blueprint_edge if {
	denied(copied({"paths": ["/out/app", "/etc/shadow"]})) == {"blueprint-edge"}
	told(copied({"paths": ["/out/app", "/etc/shadow"]})) == {{"from": edge.from, "to": "final", "kind": "copy", "path": "/etc/shadow"}}
	every path in ["/out", "/out/a/b", "/", "/out/?", "/lib/*", "/out/[ab]"] {
		denied(copied({"paths": [path]})) == {"blueprint-edge"}
	}
	many := copied({"paths": [sprintf("/etc/%d", [n]) | some n in numbers.range(1, 12)]})
	some result in blueprint.deny with input as many
	contains(result.msg, "12 paths")
	endswith(result.msg, "and 2 more")
	denied(copied({"to": "build"})) == {"blueprint-edge"}
	denied(copied({"from": found_debian})) == {"blueprint-edge"}
	denied(copied({"from": {"kind": "stage", "stage": "final"}})) == {"blueprint-edge"}
}

test_blueprint_frontend if {
	denied(read_by({"kind": "image", "repository": "r", "digests": ["sha256:ee"]})) == {"blueprint-frontend"}
	denied(read_by({"kind": "image", "repository": "r", "digests": []})) == {"blueprint-frontend"}
	only := object.union(approved, {"frontends": ["sha256:ff"]})
	denied(object.union(honest, {"blueprint": {"approved": only}})) == {"blueprint-frontend"}
}

test_blueprint_dockerfile if {
	denied(with_build({"dockerfile": "sha256:ee"})) == {"blueprint-dockerfile"}
	any_file := object.union(approved, {"dockerfiles": []})
	denied(object.union(honest, {"blueprint": {"approved": any_file}, "build": {"dockerfile": "sha256:ee"}})) == set()
}

test_blueprint_runtime if {
	every changes in [
		{"user": "0"},
		{"entrypoint": ["/bin/sh"]},
		{"env": ["PATH=/bin", "LD_PRELOAD=x"]},
		{"env": []},
		{"exposedPorts": ["22/tcp"]},
	] {
		denied(with_config(changes)) == {"blueprint-runtime"}
	}
	denied(with_config({"volumes": ["/data"], "cmd": []})) == set()
	denied(object.union(honest, {"image": {"labels": {"other": "x"}}})) == {"blueprint-runtime"}
	denied(object.remove(honest, ["image"])) == {"blueprint-runtime"}
	told(with_config({"user": "0"})) == {{"field": "user", "expected": "65532", "found": "0"}}
	started := object.union(approved, {"runtime": {"cmd": ["-q"], "volumes": ["/data"]}})
	{deviation.field | some deviation in told(object.union(honest, {"blueprint": {"approved": started}}))} == {"cmd", "volumes"}
}

said(document) := {result.msg | some result in blueprint.deny with input as document}

# The base of the stage "build", as the blueprint has it and as it was found.
held(allowed, found) := object.union(based(found), {"blueprint": {"approved": object.union(approved, {"stages": [
	object.union(approved.stages[0], {"base": allowed}),
	approved.stages[1],
	approved.stages[2],
]})}})

# Whatever names a base, of each kind.
of_kind(kind) := {"kind": kind, "stage": "check", "repository": "registry.example/debian", "digests": ["sha256:aa"]}

kinds := ["scratch", "stage", "image"]

test_a_base_is_of_the_kind_that_is_approved if {
	every kind in kinds {
		denied(held(of_kind(kind), of_kind(kind))) == set()
		every other in kinds {
			expected := {code | some code in ["blueprint-base"]; kind != other}
			denied(held(of_kind(kind), of_kind(other))) == expected
		}
	}
	denied(held(of_kind("stage"), object.union(of_kind("stage"), {"stage": "final"}))) == {"blueprint-base"}
	denied(held(of_kind("other"), of_kind("other"))) == {"blueprint-base"}
	denied(read_by({"kind": "stage", "stage": "build", "digests": ["sha256:ff"]})) == {"blueprint-frontend"}
}

test_a_path_that_is_a_pattern_is_approved_as_it_stands if {
	every sign in ["*", "?", "[", "]", "{", "}", "!"] {
		denied(copied({"paths": [concat("", ["/out/a", sign])]})) == {"blueprint-edge"}
	}
}

test_what_is_missing_is_said if {
	{result | some result in blueprint.warn with input as {}} == set()
	said({}) == {"policy.blueprints has no entry for this image, so that nobody says how it may be built"}
	{result.msg | some result in blueprint.warn with input as {"settings": {"blueprint": {"missing": "warn"}}}} == said({})
	unknown := "the stages of the build are not known: the input has none"
	said(object.remove(honest, ["build"])) == {unknown}
	said(object.union(honest, {"build": {"state": "unknown", "why": null}})) == {unknown}
}

test_what_differs_is_said if {
	more := {"name": "more", "base": found_debian, "line": 2}
	said(with_build({"stages": array.concat(build.stages, [more])})) == {"1 stage differs from the blueprint: more is not in it"}
	other := {"name": "other", "base": found_debian, "line": 2}
	two := said(with_build({"stages": array.concat(build.stages, [more, other])}))
	two == {"2 stages differ from the blueprint: more is not in it, other is not in it"}
	said(with_build({"dockerfile": "sha256:ee"})) == {"the Dockerfile sha256:ee is none of the blueprint's"}
	said(with_config({"user": "0"})) == {"1 setting of the image differs from the blueprint: user"}
	said(with_config({"user": "0", "env": []})) == {"2 settings of the image differ from the blueprint: user, env"}
	told(with_config({"env": []})) == {{"field": "env", "expected": ["PATH"], "found": []}}
	mounted := object.union(with_config({"volumes": ["/data"]}), {"blueprint": {"approved": object.union(approved, {"runtime": {"volumes": ["/data"]}})}})
	said(mounted) == set()
}

test_the_bases_that_are_not_approved_are_said if {
	begin := "1 image that the build took is not approved: "
	several := object.union(found_debian, {"digests": ["sha256:aa", "sha256:bb"]})
	said(based(several)) == {concat("", [begin, "stage build on registry.example/debian (sha256:aa, sha256:bb)"])}
	told(based(several)) == {{"where": "stage build on", "found": several}}
	said(based({"kind": "scratch"})) == {concat("", [begin, "stage build on scratch"])}
	said(based({"kind": "stage", "stage": "check"})) == {concat("", [begin, "stage build on stage check"])}
	beside := {"kind": "image", "repository": "registry.example/scanner", "digests": ["sha256:dd"]}
	both := object.union(based({"kind": "scratch"}), {"build": {"otherImages": [beside]}})
	said(both) == {"2 images that the build took are not approved: beside the stages registry.example/scanner (sha256:dd), stage build on scratch"}
	told(with_build({"otherImages": [beside]})) == {{"where": "beside the stages", "found": beside}}
}

# Names of so many files.
files(count) := [sprintf("/etc/%d", [n]) | some n in numbers.range(10, count + 9)]

copies(names) := concat(", ", [sprintf("%s from stage build into final", [name]) | some name in names])

test_the_paths_that_are_not_approved_are_said if {
	every number, rest in {"1 path is": "", "2 paths are": "", "10 paths are": "", "11 paths are": " and 1 more", "13 paths are": " and 3 more"} {
		all := files(to_number(split(number, " ")[0]))
		shown := copies(array.slice(all, 0, 10))
		said(copied({"paths": all})) == {sprintf("%s copied that the blueprint does not allow: %s%s", [number, shown, rest])}
	}
}

test_the_frontend_that_is_not_approved_is_said if {
	said(read_by({"kind": "image", "repository": "r", "digests": ["sha256:ee"]})) == {"the Dockerfile was read by r (sha256:ee), which is not approved"}
	only := {"blueprint": {"approved": object.union(approved, {"frontends": ["sha256:ff"]})}}
	said(object.union(honest, only)) == {"the Dockerfile was read by the frontend of BuildKit, which is not approved"}
	{deviation | some result in blueprint.deny with input as object.union(honest, only); some deviation in result.deviations} == {build.frontend}
}
