# The licences of what is installed.
package hallmark.licences

needs contains "inventory"

setting(name) := object.get(input, ["settings", "licences", name], [])

packages := object.get(input, ["inventory", "packages"], [])

# Packages of a known base are told apart from the image's own; one that nobody knows counts as its own.
side_of(one) := "base" if one.side == "base"

side_of(one) := "own" if not one.side == "base"

# Packages by whose they are and what they say of their licences: an image has many packages and few licences. hallmark writes them into
# the input; where it did not, each package is one.
groups := input.inventory.index.licences

groups := [group |
	some one in packages
	group := {
		"side": object.get(one, "side", null),
		"licences": object.get(one, "licences", null),
		"names": [one.name],
		"versions": [one.version],
	}
] if {
	not is_array(object.get(input, ["inventory", "index", "licences"], null))
}

# What packages say of their licences, each once.
sayings := {group.licences | some group in groups}

# Each with what counts of it: what a package declares, else what is found beside it.
counting := array.concat(
	[[said, said.declared] | some said in sayings; said.declared.state == "known"],
	[[said, said.found] | some said in sayings; said.declared.state != "known"; said.found.state == "known"],
)

licensed := {said | some [said, _] in counting}

unlicensed := sayings - licensed

closed := licensed - open

# One choice suffices, where each of its terms may be used.
open := {said |
	some [said, licence] in counting
	some choice in licence.choices
	every term in choice {
		term in usable
	}
}

usable := {term |
	some term in (permitted - {denied | some denied in setting("deny")})
	not startswith(term, "LicenseRef-unknown-")
}

terms := {term |
	some [_, licence] in counting
	some choice in licence.choices
	some term in choice
}

expressions := {said: licence.expression | some [said, licence] in counting}

# Without a list of what is allowed, all is that is not denied. An exception allows more than the licence alone.
permitted := terms if count(setting("allow")) == 0

permitted := (terms & allowed) | excepted if count(setting("allow")) > 0

allowed := {term | some term in setting("allow")}

excepted := {term |
	some term in terms
	contains(term, " WITH ")
	parts := split(term, " WITH ")
	count(parts) == 2
	parts[0] in allowed
}

sides_of(said) := {side_of(group) | some group in groups; group.licences in said}

# Names and versions of packages of one side that say one of these.
packages_of(said, side) := {[name, version, group.licences] |
	some group in groups
	group.licences in said
	side_of(group) == side
	some at, name in group.names
	not name in setting("ignore")
	version := group.versions[at]
}

# METADATA
# title: Every package may be used by its licence
# description: >-
#   policy.settings.licences.deny lists SPDX identifiers, perhaps with an exception, that no package may need; policy.settings.licences.allow
#   lists all that it may. Of a choice (MIT OR GPL-3.0-only) one branch suffices, of several that hold together each one counts.
#   policy.settings.licences.ignore lists names of packages that this is not about.
# custom:
#   code: licence-denied
#   severity: deny
#   solution: remove the package, or list its licence in policy.settings.licences.allow after somebody read it
deny contains {"code": "licence-denied", "msg": msg, "side": side, "packages": names} if {
	some side in sides_of(closed)
	names := sort({name |
		some [known, version, said] in packages_of(closed, side)
		name := sprintf("%s %s (%s)", [known, version, expressions[said]])
	})
	count(names) > 0
	msg := sprintf("%s: %s", [counted(count(names), "package may not be used by its licence", "packages may not be used by their licences"), some_of(names)])
}

# METADATA
# title: Every package says its licence
# description: A package whose licence nobody knows may need anything. policy.settings.licences.unknown is "deny" or "warn"; it denies where nothing is said.
# custom:
#   code: licence-unknown
#   severity: deny
#   solution: find out and list the package in policy.settings.licences.ignore, or replace it
deny contains finding if {
	not unknown_only_warns
	some finding in unknown
}

# METADATA
# title: Every package says its licence
# description: The same as a warning, with policy.settings.licences.unknown at "warn".
# custom:
#   code: licence-unknown
#   severity: warn
#   solution: find out and list the package in policy.settings.licences.ignore, or replace it
warn contains finding if {
	unknown_only_warns
	some finding in unknown
}

unknown_only_warns if input.settings.licences.unknown == "warn"

unknown contains {"code": "licence-unknown", "msg": msg, "side": side, "packages": names} if {
	some side in sides_of(unlicensed)
	names := sort({name |
		some [known, version, _] in packages_of(unlicensed, side)
		name := sprintf("%s %s", [known, version])
	})
	count(names) > 0
	msg := sprintf("%s no licence that is known: %s", [counted(count(names), "package has", "packages have"), some_of(names)])
}

unknown contains {"code": "licence-unknown", "msg": msg, "files": paths} if {
	paths := sort({one.path | some one in object.get(input, ["inventory", "incomplete"], [])})
	count(paths) > 0
	msg := sprintf("files that may list packages were not read, so that not all licences are known: %s", [some_of(paths)])
}

# What was not read may hold packages of any licence.
unknown contains {"code": "licence-unknown", "msg": msg, "databases": paths} if {
	paths := sort({one.path |
		some one in object.get(input, ["inventory", "databases"], [])
		is_string(one.error)
	})
	count(paths) > 0
	msg := sprintf("databases of packages cannot be read, so that not all licences are known: %s", [some_of(paths)])
}

deny contains {"code": "licence-unknown", "msg": msg} if {
	not is_array(object.get(input, ["inventory", "packages"], null))
	msg := "nothing is known of the packages: the layers were not read"
}

some_of(names) := concat(", ", names) if count(names) <= 10

some_of(names) := sprintf("%s and %d more", [concat(", ", array.slice(names, 0, 10)), count(names) - 10]) if {
	count(names) > 10
}

# A number with the words for one, or for none and several: "1 file is", "2 files are".
counted(number, one, _) := sprintf("%v %s", [number, one]) if number == 1

counted(number, _, several) := sprintf("%v %s", [number, several]) if number != 1
