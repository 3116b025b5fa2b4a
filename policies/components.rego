# Which packages may be in the image, and from where.
package hallmark.components

needs contains "inventory"

setting(name) := object.get(input, ["settings", "components", name], [])

packages := object.get(input, ["inventory", "packages"], [])

# METADATA
# title: The packages are known
# description: Rules about packages find nothing in layers that were not read, in a database that cannot be believed, nor by a package URL that cannot be read.
# custom:
#   code: packages-unknown
#   severity: deny
#   solution: "keep the database of the package manager in the image, see why layers were not read, and let SBOMs write package URLs as their specification says"
deny contains {"code": "packages-unknown", "msg": msg} if {
	not are_known
	msg := "nothing is known of the packages: the layers were not read"
}

deny contains {"code": "packages-unknown", "msg": msg, "path": database.path} if {
	some database in input.inventory.databases
	is_string(database.error)
	msg := sprintf("the database of packages %s cannot be believed: %s", [database.path, database.error])
}

# Of several files only the first is known.
deny contains {"code": "packages-unknown", "msg": msg, "files": files} if {
	some one in input.inventory.incomplete
	files := [one.path | one.files == 1]
	msg := sprintf("%s not read, the first is %s: %s", [counted(one.files, "file that lists packages was", "files that list packages were"), one.path, one.why])
}

# What a trusted SBOM lists by a package URL that nobody can read is compared by its name alone.
deny contains {"code": "packages-unknown", "msg": msg, "document": sbom.document} if {
	some sbom in input.sboms
	sbom.state == "proven"
	unread := object.get(sbom, "unreadable", [])
	count(unread) > 0
	words := counted(count(unread), "package URL cannot", "package URLs cannot")
	msg := sprintf("%s be read in one way alone, in the SBOM %s: %s", [words, sbom.document, some_of(unread)])
}

are_known if is_array(input.inventory.packages)

# METADATA
# title: The distribution is known
# description: Packages of a distribution are there, and os-release does not say which it is, so that nobody can say which advisories are about them.
# custom:
#   code: distribution-unknown
#   severity: warn
#   solution: keep /etc/os-release of the base image
warn contains {"code": "distribution-unknown", "msg": msg, "ecosystems": names} if {
	not os_is_known
	names := sort(ecosystems & {"deb", "apk", "rpm"})
	count(names) > 0
	msg := sprintf("packages of a distribution are there (%s) and /etc/os-release does not say which it is", [concat(", ", names)])
}

os_is_known if is_string(input.inventory.os)

ecosystems contains name if some name, _ in input.inventory.index.ecosystems

ecosystems contains one.ecosystem if {
	not is_indexed
	some one in packages
}

# What every rule would ask of each package hallmark asks once, and writes into the input. An input that it is not in is asked here.
is_indexed if is_object(input.inventory.index)

# As rules and settings name a package: by its package URL, without what follows its version.
named(one) := encoded(regex.replace(one.purl, `[?#].*$`, "")) if is_string(one.purl)

# What has none has a name all the same, which is no package URL where nobody knows of which type it is.
named(one) := concat("", [replace(concat("", [type_of(one), one.name]), "/@", "/%40"), version_of(one)]) if not has_purl(one)

has_purl(one) if is_string(one.purl)

type_of(one) := sprintf("pkg:%s/", [one.ecosystem]) if has_type(one)

type_of(one) := "name:" if not has_type(one)

has_type(one) if is_string(one.ecosystem)

version_of(one) := concat("", ["@", replace(one.version, "/", "%2F")]) if has_version(one)

version_of(one) := "" if not has_version(one)

has_version(one) if is_string(one.version)

# A slash that whoever wrote a version left in it ends what a star of a pattern matches. The @ of a scope has a slash before it.
encoded(name) := concat("", [before, replace(trim_prefix(name, before), "/", "%2F")]) if {
	before := regex.replace(name, `(?s)([^/])@.*$`, "$1")
}

# What is in the image, and what trusted SBOMs say is in it: lists of names that begin alike, with their beginning up to the last
# slash, or with null where a list was made here.
lists contains [beginning, names] if some beginning, names in input.inventory.index.names

lists contains [beginning, names] if {
	some sbom in input.sboms
	sbom.state == "proven"
	some beginning, names in sbom.names
}

lists contains [null, names] if {
	not is_indexed
	names := {named(one) | some one in packages}
}

lists contains [null, names] if {
	some sbom in input.sboms
	sbom.state == "proven"
	not is_object(object.get(sbom, "names", null))
	names := {named(one) | some one in sbom.components; one.scope == "runtime"}
}

# Types of package URLs whose namespaces and names the input has in lower case, those with such namespaces alone, and such versions.
caseless := {
	"alpm", "apk", "bitbucket", "bitnami", "brew", "chrome-extension", "composer", "conda", "deb", "github", "golang", "hex",
	"luarocks", "mlflow", "npm", "nuget", "oci", "otp", "pub", "pypi", "vscode-extension",
}

caseless_namespace := {"qpkg", "rpm", "yocto"}

caseless_version := {"huggingface", "oci", "pypi", "vscode-extension"}

denied_names := forms(setting("deny"))

allowed_names := forms(setting("allow"))

# Patterns as they are written, and as package URLs stand in the input. One that means every version means none, too.
forms(patterns) := unversioned({pattern | some pattern in patterns} | {canonical(pattern) |
	some pattern in patterns
	not regex.match(plainly, pattern)
})

unversioned(both) := both | {trim_suffix(trim_suffix(one, "@*"), "@**") | some one in both}

# Most patterns are written as package URLs stand in the input: asking all of each took longer than most packages of rules. Names of pypi
# and pub are spelt otherwise, so that a type with a p is asked.
plainly := `^pkg:[a-oq-z][0-9a-z]*(/[0-9a-z*.~_-]+)+(@[0-9a-z*.~_-]*)?$`

# That of a pattern with a type; another one has none.
canonical(pattern) := concat("", ["pkg:", type, "/", trim_prefix(plain(concat("", [spelt(type, cased(type, name)), version])), "/")]) if {
	is_typed(pattern)
	type := lower(regex.replace(tail(pattern), `(?s)/.*$`, ""))
	path := concat("", ["/", trim_left(trim_prefix(tail(pattern), regex.replace(tail(pattern), `(?s)/.*$`, "")), "/")])
	name := regex.replace(path, `(?s)([^/])@.*$`, "$1")
	version := version_cased(type, trim_prefix(path, name))
}

# A type in which a star or another sign of patterns stands may be several.
is_typed(pattern) if {
	regex.match(`^[Pp][Kk][Gg]:`, pattern)
	regex.match(`^[A-Za-z][0-9A-Za-z.+-]*/`, tail(pattern))
}

tail(pattern) := trim_left(regex.replace(pattern, `^[^:]*:`, ""), "/")

cased(type, name) := folded(name) if type in caseless

cased(type, name) := concat("", [folded(trim_suffix(name, last)), last]) if {
	type in caseless_namespace
	last := regex.replace(name, `(?s)^.*/`, "")
}

cased(type, name) := name if not type in caseless | caseless_namespace

version_cased(type, version) := folded(version) if type in caseless_version

version_cased(type, version) := version if not type in caseless_version

spelt(type, name) := regex.replace(name, `[._-]+`, "-") if type == "pypi"

spelt(type, name) := replace(name, "-", "_") if type == "pub"

spelt(type, name) := name if not type in {"pypi", "pub"}

# In lower case but for what is percent-encoded.
folded(text) := concat("%", [one |
	some at, part in split(text, "%")
	one := {true: lower(part), false: concat("", [upper(substring(part, 0, 2)), lower(substring(part, 2, -1))])}[at == 0]
])

# As package URLs have the characters that people write in them.
plain(text) := replace(replace(replace(replace(text, "/@", "/%40"), "+", "%2B"), "%3A", ":"), "%3a", ":")

matches(name, patterns) if {
	some pattern in patterns
	glob.match(pattern, ["/"], name)
}

# What each of some patterns begins with, up to the first character that may mean something: a name that none begins none matches.
heads(patterns) := {regex.replace(pattern, `(?s)[^0-9A-Za-z:/@._+%~-].*$`, "") | some pattern in patterns}

# A pattern that ends with a star and matches how names begin, up to their last slash, matches the names: no slash follows.
match_all(beginning, patterns) if {
	is_string(beginning)
	some pattern in patterns
	endswith(pattern, "*")
	glob.match(pattern, ["/"], beginning)
}

# METADATA
# title: No denied package is in the image
# description: >-
#   policy.settings.components.deny lists patterns of package URLs, as pkg:npm/left-pad@*, for what the image has and for what its trusted SBOMs list.
# custom:
#   code: component-denied
#   severity: deny
#   solution: "remove the package, or take the pattern out of policy.settings.components.deny"
deny contains {"code": "component-denied", "msg": msg, "packages": names} if {
	beginnings := heads(denied_names)
	names := sort({name |
		some [_, list] in lists
		strings.any_prefix_match(list, beginnings)
		some name in list
		matches(name, denied_names)
	})
	count(names) > 0
	msg := sprintf("%s denied by settings.components.deny: %s", [counted(count(names), "package is", "packages are"), some_of(names)])
}

# METADATA
# title: Only allowed packages are in the image
# description: Where policy.settings.components.allow lists patterns of package URLs, each package matches one of them.
# custom:
#   code: component-not-allowed
#   severity: deny
#   solution: "remove the package, or list it in policy.settings.components.allow"
deny contains {"code": "component-not-allowed", "msg": msg, "packages": names} if {
	count(setting("allow")) > 0
	names := sort({name |
		some [beginning, list] in lists
		not match_all(beginning, allowed_names)
		some name in list
		not matches(name, allowed_names)
	})
	count(names) > 0
	msg := sprintf("%s none of settings.components.allow: %s", [counted(count(names), "package is", "packages are"), some_of(names)])
}

# Where a package URL says that the package is from.
places(purl) := {place |
	some pair in split(regex.replace(regex.replace(purl, `#.*$`, ""), `^[^?]*\??`, ""), "&")
	parts := split(pair, "=")
	parts[0] in {"repository_url", "download_url", "vcs_url"}
	place := urlquery.decode(concat("=", array.slice(parts, 1, count(parts))))
}

located contains [one.package, urlquery.decode(one.place)] if some one in input.inventory.index.places

located contains [named(one), place] if {
	not is_indexed
	some one in packages
	is_string(one.purl)
	some place in places(one.purl)
}

# METADATA
# title: Packages come from allowed registries
# description: >-
#   Where policy.settings.components.sources lists patterns, each place that a package URL names in repository_url, download_url or vcs_url matches one of
#   them. A package URL that names no place means the registry of its ecosystem.
# custom:
#   code: component-source
#   severity: deny
#   solution: "take the package from an allowed registry, or list its place in policy.settings.components.sources"
deny contains {"code": "component-source", "msg": msg, "packages": names} if {
	count(setting("sources")) > 0
	names := sort({name |
		some [known, place] in located
		not matches(place, setting("sources"))
		name := sprintf("%s from %s", [known, place])
	})
	count(names) > 0
	msg := sprintf("%s that settings.components.sources does not list: %s", [counted(count(names), "package comes from a place", "packages come from places"), some_of(names)])
}

some_of(names) := concat(", ", names) if count(names) <= 10

some_of(names) := sprintf("%s and %d more", [concat(", ", array.slice(names, 0, 10)), count(names) - 10]) if {
	count(names) > 10
}

# A number with the words for one, or for none and several: "1 file is", "2 files are".
counted(number, one, _) := sprintf("%v %s", [number, one]) if number == 1

counted(number, _, several) := sprintf("%v %s", [number, several]) if number != 1
