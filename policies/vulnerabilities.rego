# What is known to be wrong with the packages in the image, by data that the operator imported.
package hallmark.vulnerabilities

# Off unless a level is set: without data every image would fail.
needs contains "vulnerabilities" if asked

asked if not input.settings.vulnerabilities.deny == "off"

ranks := {"unknown": 0, "negligible": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}

level := input.settings.vulnerabilities.deny

grace := input.settings.vulnerabilities.graceDays

default max_age := 7

max_age := input.settings.vulnerabilities.maxAgeDays

today := time.parse_rfc3339_ns(input.time)

day_ns := ((24 * 60) * 60) * 1000000000

days_since(day) := floor((today - time.parse_rfc3339_ns(sprintf("%sT00:00:00Z", [day]))) / day_ns)

# What counts: neither what the distribution says is none, nor what its own record judges instead, nor headers of the kernel, nor what a
# trusted signer says is not affected.
counting contains one if {
	some one in input.vulnerabilities.known
	not one.unimportant
	not one.leftToDistribution
	not one.headersOnly
	not one.vex.outcome == "suppressed"
}

severe contains one if {
	some one in counting
	not one.malware
	ranks[one.severity] >= ranks[level]
}

described(one) := sprintf("%s %s: %s (%s)", [one.package.name, one.package.version, one.id, one.severity]) if not has_parts(one)

# What is a part of the distribution's package and has the same vulnerability is told with it.
described(one) := sprintf("%s %s, with %s in it: %s (%s)", [one.package.name, one.package.version, some_of(names), one.id, one.severity]) if {
	has_parts(one)
	names := sort({name |
		some part in one.parts
		name := sprintf("%s %s (%s)", [part.name, part.version, part.path])
	})
}

has_parts(one) if count(one.parts) > 0

# The layers of a known base are told apart from the image's own; what lies in no known layer counts as its own.
side_of(one) := "base" if in_base(one)

side_of(one) := "own" if not in_base(one)

in_base(one) if {
	is_number(one.layer)
	one.layer < input.image.baseLayers
}

facts(one) := {
	"side": side_of(one.package),
	"package": one.package.name,
	"version": one.package.version,
	"id": one.id,
	"fixed": one.fixed,
}

# METADATA
# title: Known vulnerabilities are looked up
# description: Without data, or with data that cannot be used, nothing is known; that is not the same as nothing to find.
# custom:
#   code: vulnerability-data-missing
#   severity: deny
#   solution: make a database with hallmark vulns import, and name it under vulnerabilities.database in hallmark.yaml
deny contains {"code": "vulnerability-data-missing", "msg": msg} if {
	asked
	not has_data
	msg := "no database of vulnerabilities is configured, or the layers were not read, so that nothing is known of the packages"
}

has_data if is_object(input.vulnerabilities.database)

deny contains {"code": "vulnerability-data-missing", "msg": msg} if {
	asked
	is_string(input.vulnerabilities.error)
	msg := sprintf("the database of vulnerabilities cannot be used: %s", [input.vulnerabilities.error])
}

# METADATA
# title: The data about vulnerabilities is new enough
# description: What was found since the import is not in it. policy.settings.vulnerabilities.maxAgeDays at 0 turns this off.
# custom:
#   code: vulnerability-data-old
#   severity: deny
#   solution: import again with hallmark vulns import
deny contains {"code": "vulnerability-data-old", "msg": msg, "days": days} if {
	asked
	max_age > 0
	days := days_since(input.vulnerabilities.database.made)
	days > max_age
	msg := sprintf("the data about vulnerabilities is %s old; at most %s allowed", [counted(days, "day", "days"), counted(max_age, "is", "are")])
}

# A day that has not come is none on which anything was imported, and would never be old.
deny contains {"code": "vulnerability-data-old", "msg": msg, "days": days} if {
	asked
	days := days_since(input.vulnerabilities.database.made)
	days < -1
	msg := sprintf("the data about vulnerabilities says that it was made on %s, which has not come yet", [input.vulnerabilities.database.made])
}

# METADATA
# title: No package has a vulnerability that is known to be exploited
# description: It is in the catalogue of exploited vulnerabilities that was imported, whatever its severity, and whether there is a fix or not.
# custom:
#   code: vulnerability-exploited
#   severity: deny
#   solution: update the package; where there is no fix, remove it, or write an exception with an end
deny contains object.union(facts(one), {"code": "vulnerability-exploited", "msg": msg}) if {
	asked
	some one in counting
	one.exploited != null
	msg := sprintf("%s is exploited, as %s, since %s", [described(one), one.exploited.cve, one.exploited.added])
}

# METADATA
# title: No package has a severe vulnerability for which there is a fix
# description: >-
#   Severe is what has the level of policy.settings.vulnerabilities.deny or a worse one. Once a fix is known here,
#   policy.settings.vulnerabilities.graceDays are left.
# custom:
#   code: vulnerability-severe
#   severity: deny
#   solution: update the package to the version that is named
deny contains object.union(facts(one), {"code": "vulnerability-severe", "msg": msg}) if {
	asked
	some one in severe
	one.fixed != null
	not in_grace(one)
	msg := sprintf("%s is fixed in %s", [described(one), one.fixed])
}

in_grace(one) if {
	grace > 0
	is_string(one.fixSeen)
	days_since(one.fixSeen) <= grace
}

# METADATA
# title: A severe vulnerability has to be mended soon
# description: There is a fix, and policy.settings.vulnerabilities.graceDays are not over.
# custom:
#   code: vulnerability-grace
#   severity: warn
#   solution: update the package to the version that is named
warn contains object.union(facts(one), {"code": "vulnerability-grace", "msg": msg}) if {
	asked
	some one in severe
	one.fixed != null
	in_grace(one)
	left := grace - days_since(one.fixSeen)
	msg := sprintf("%s is fixed in %s; %s left", [described(one), one.fixed, counted(left, "day is", "days are")])
}

# METADATA
# title: A severe vulnerability has no fix
# description: It has the level of policy.settings.vulnerabilities.deny or a worse one, and no version without it is known.
# custom:
#   code: vulnerability-unfixed
#   severity: warn
#   solution: see whether the package is needed; watch for a fix
warn contains object.union(facts(one), {"code": "vulnerability-unfixed", "msg": msg}) if {
	asked
	some one in severe
	one.fixed == null
	msg := sprintf("%s has no fix", [described(one)])
}

# METADATA
# title: Nobody says how severe a vulnerability is
# description: No record and no distribution rates it. It may be of any level.
# custom:
#   code: vulnerability-unrated
#   severity: warn
#   solution: import records of CVE beside those of the distribution, from which ratings are taken
warn contains {"code": "vulnerability-unrated", "msg": msg, "vulnerabilities": names} if {
	asked
	names := sort({name |
		some one in counting
		one.severity == "unknown"
		not one.malware
		name := sprintf("%s %s: %s", [one.package.name, one.package.version, one.id])
	})
	count(names) > 0
	msg := sprintf("%s no rating: %s", [counted(count(names), "vulnerability has", "vulnerabilities have"), some_of(names)])
}

# METADATA
# title: No package is malware
# description: The package itself is the attack, by a record whose id begins with MAL-.
# custom:
#   code: vulnerability-malware
#   severity: deny
#   solution: remove the package, replace every secret that the image or its build could reach, and look for who installed it
deny contains object.union(facts(one), {"code": "vulnerability-malware", "msg": msg}) if {
	asked
	some one in input.vulnerabilities.known
	one.malware
	msg := sprintf("%s %s is malware: %s", [one.package.name, one.package.version, one.id])
}

gaps contains {"code": "vulnerability-not-covered", "msg": msg, "gap": gap.kind, "name": gap.name} if {
	asked
	some gap in input.vulnerabilities.gaps
	words := {
		"distribution": "no data is about the distribution",
		"release": "the data has nothing of the release",
		"past-end": "nobody lists vulnerabilities any more of the release",
		"ecosystem": "the data has nothing of the ecosystem",
	}
	msg := sprintf("%s %s, with %s: that nothing is known of them does not mean that they are clean", [
		words[gap.kind],
		gap.name,
		counted(gap.packages, "package", "packages"),
	])
}

gaps contains {"code": "vulnerability-not-covered", "msg": msg, "gap": gap.kind, "name": gap.name} if {
	asked
	some gap in input.vulnerabilities.gaps
	gap.kind == "unread"
	msg := sprintf("what is in the image was not all read, so that packages may be there which were not looked up: %s", [gap.name])
}

gaps_only_warn if input.settings.vulnerabilities.gaps == "warn"

# METADATA
# title: The data covers what is in the image
# description: >-
#   Packages of a distribution, release or ecosystem that the data has nothing of, or of a release past its end, have no known vulnerabilities
#   because nobody knows any. With policy.settings.vulnerabilities.gaps at "warn" it is a warning.
# custom:
#   code: vulnerability-not-covered
#   severity: deny
#   solution: import the data of the ecosystem; build on a release that is maintained
deny contains gap if {
	not gaps_only_warn
	some gap in gaps
}

# METADATA
# title: The data covers what is in the image
# description: The same as a warning, with policy.settings.vulnerabilities.gaps at "warn".
# custom:
#   code: vulnerability-not-covered
#   severity: warn
#   solution: import the data of the ecosystem; build on a release that is maintained
warn contains gap if {
	gaps_only_warn
	some gap in gaps
}

# METADATA
# title: What trusted signers say of vulnerabilities has an effect
# description: >-
#   A statement (VEX) that matches nothing suppresses nothing, and neither do statements that contradict each other; the reason is in the message.
# custom:
#   code: vulnerability-vex
#   severity: warn
#   solution: name the image by digest and the package by its package URL in the statement
warn contains {"code": "vulnerability-vex", "msg": msg, "document": one.document} if {
	asked
	some one in input.vulnerabilities.unused
	msg := sprintf("%s about %s has no effect: %s", [one.document, concat(", ", one.vulnerability), one.why])
}

warn contains {"code": "vulnerability-vex", "msg": msg, "document": one.vex.document} if {
	asked
	some one in input.vulnerabilities.known
	one.vex.outcome == "conflict"
	msg := sprintf("trusted statements about %s contradict each other, so that it counts", [described(one)])
}

# METADATA
# title: Every package could be held against the data
# description: A version that its ecosystem does not order, or an advisory that names no versions, leaves it open whether the package is affected.
# custom:
#   code: vulnerability-unknown
#   severity: warn
#   solution: build the program with its version recorded, from a tag and not from a work tree
warn contains {"code": "vulnerability-unknown", "msg": msg, "packages": names} if {
	asked
	names := sort({name |
		some one in input.vulnerabilities.unknown
		name := sprintf("%s %s: %s", [one.package.name, one.package.version, one.why])
	})
	count(names) > 0
	msg := sprintf("%s cannot be held against all advisories: %s", [counted(count(names), "package", "packages"), some_of(names)])
}

some_of(names) := concat(", ", names) if count(names) <= 10

some_of(names) := sprintf("%s and %d more", [concat(", ", array.slice(names, 0, 10)), count(names) - 10]) if {
	count(names) > 10
}

# A number with the words for one, or for none and several: "1 file is", "2 files are".
counted(number, one, _) := sprintf("%v %s", [number, one]) if number == 1

counted(number, _, several) := sprintf("%v %s", [number, several]) if number != 1
