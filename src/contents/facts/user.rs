//! Who the first process of a container runs as, resolved as runtimes resolve it.
//!
//! Turns the configuration's `User` and the image's `/etc/passwd` and `/etc/group` into numbers, as containerd
//! (`pkg/oci`, `WithUser`) and runc (`moby/sys/user`, `GetExecUser`) do. Their surprises are kept, since they are what runs:
//! text that is no number in a numeric field of either file counts as 0, so that `app:x:none:none` is root; a missing
//! field does, too; a number without an entry has the group 0. Where the two runtimes come to different users, and where no
//! container starts, there are no numbers and a reason.

/// Users.
pub const PASSWD: &str = "/etc/passwd";
/// Groups.
pub const GROUP: &str = "/etc/group";

/// Largest number of a user or group that runtimes take.
const ID_MAX: i64 = 0x7fff_ffff;
/// Additional groups that are kept.
const GROUPS: usize = 64;

/// Who a container runs as.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// As configured.
    pub configured: String,
    /// What it comes to.
    pub resolved: Option<Resolved>,
    /// Why it comes to nothing.
    pub problem: Option<String>,
}

/// A user and a group by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The user's name, where there is an entry.
    pub name: Option<String>,
    /// Groups that list the user besides, sorted.
    pub groups: Vec<u32>,
}

/// The bytes of a file of accounts: a line for each, its fields between colons.
#[derive(Debug, Clone, Copy)]
pub struct Accounts<'a>(pub &'a [u8]);

/// A user's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry<'a> {
    name: &'a [u8],
    uid: i64,
    gid: i64,
}

impl<'a> Accounts<'a> {
    /// The fields of each line that is not empty.
    fn lines(self) -> impl Iterator<Item = Vec<&'a [u8]>> {
        let lines = self.0.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let lines = lines.filter(|line| !line.is_empty());
        lines.map(|line| line.split(|byte| *byte == b':').collect())
    }

    fn users(self) -> impl Iterator<Item = Entry<'a>> {
        self.lines().map(|fields| Entry {
            name: fields.first().copied().unwrap_or_default(),
            uid: number(fields.get(2).copied()),
            gid: number(fields.get(3).copied()),
        })
    }

    /// Name, number and members of each group.
    fn groups(self) -> impl Iterator<Item = (&'a [u8], i64, &'a [u8])> {
        self.lines().map(|fields| {
            let field = |at: usize| fields.get(at).copied().unwrap_or_default();
            (field(0), number(fields.get(2).copied()), field(3))
        })
    }
}

/// A numeric field as runtimes read it.
fn number(field: Option<&[u8]>) -> i64 {
    field.and_then(|field| atoi(str::from_utf8(field).ok()?)).unwrap_or(0)
}

/// Go's `strconv.Atoi`: digits after at most one sign.
fn atoi(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// A number that a process can have.
fn id(number: i64) -> Result<u32, String> {
    let fits = (0..=ID_MAX).contains(&number).then_some(number);
    fits.and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| format!("{number} is no number of a user or group"))
}

/// Resolves `User` of a configuration.
pub fn resolve(configured: &str, passwd: super::Looked<'_>, group: super::Looked<'_>) -> User {
    let resolved = resolved(configured, passwd, group);
    let (resolved, problem) = match resolved {
        Ok(resolved) => (Some(resolved), None),
        Err(problem) => (None, Some(problem)),
    };
    User { configured: configured.to_owned(), resolved, problem }
}

fn resolved(
    configured: &str,
    passwd: super::Looked<'_>,
    group: super::Looked<'_>,
) -> Result<Resolved, String> {
    let mut parts = configured.split(':');
    let (user, of_group) = (parts.next().unwrap_or_default(), parts.next());
    if parts.next().is_some() {
        return Err("it has more than a user and a group".to_owned());
    }
    if user.is_empty() && of_group.is_some() || of_group == Some("") {
        return Err("runtimes differ about a user or group without a name".to_owned());
    }
    let passwd = passwd.transpose().map_err(|why| format!("{PASSWD}: {why}"))?;
    let entry = |is: &dyn Fn(&Entry<'_>) -> bool| {
        passwd.and_then(|accounts| accounts.users().find(|entry| is(entry)))
    };
    let wanted = if user.is_empty() { Some(0) } else { atoi(user) };
    let found = match wanted {
        Some(uid) => entry(&|entry| entry.uid == uid),
        None => entry(&|entry| entry.name == user.as_bytes()),
    };
    let uid = match (wanted, &found) {
        (Some(uid), _) => uid,
        (None, Some(entry)) => entry.uid,
        (None, None) => return Err(format!("{PASSWD} has no user of this name")),
    };
    let gid = found.as_ref().map_or(0, |entry| entry.gid);
    let name = found.map(|entry| String::from_utf8_lossy(entry.name).into_owned());
    let (gid, groups) = match of_group {
        Some(named) => (group_number(named, group)?, Vec::new()),
        None => (gid, member_of(name.as_deref(), group)?),
    };
    Ok(Resolved { uid: id(uid)?, gid: id(gid)?, name, groups })
}

fn group_number(named: &str, group: super::Looked<'_>) -> Result<i64, String> {
    if let Some(gid) = atoi(named) {
        return Ok(gid);
    }
    let accounts = group.transpose().map_err(|why| format!("{GROUP}: {why}"))?;
    let mut groups = accounts.into_iter().flat_map(Accounts::groups);
    let found = groups.find(|(name, ..)| *name == named.as_bytes());
    found.map(|(_, gid, _)| gid).ok_or_else(|| format!("{GROUP} has no group of this name"))
}

/// The groups that list a user as a member.
fn member_of(user: Option<&str>, group: super::Looked<'_>) -> Result<Vec<u32>, String> {
    let Some(user) = user else { return Ok(Vec::new()) };
    let accounts = group.transpose().map_err(|why| format!("{GROUP}: {why}"))?;
    let lists = |members: &[u8]| members.split(|byte| *byte == b',').any(|m| m == user.as_bytes());
    let groups = accounts.into_iter().flat_map(Accounts::groups);
    let listed = groups.filter(|(.., members)| lists(members)).take(GROUPS);
    let mut found: Vec<u32> = listed.filter_map(|(_, gid, _)| id(gid).ok()).collect();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/:\n\n  spaced:x:7:8::/:\n\
        bad:x:none:none::/:\nshort\ntwin:x:5:5::/:\ntwin:x:0:0::/:\nneg:x:-1:-1::/:\n\
        huge:x:4294967296:1::/:\nalso:x:1000:9::/:\n";
    const GROUPS: &str = "root:x:0:\nadm:x:4:app,other\nwheel:x:10:app\nbad:x:ten:\n";

    fn said(configured: &str, passwd: Option<&str>, group: Option<&str>) -> String {
        let looked = |text: Option<&'static str>| text.map(|text| Ok(Accounts(text.as_bytes())));
        let (passwd, group) = (passwd.map(leak), group.map(leak));
        let user = resolve(configured, looked(passwd), looked(group));
        match user.resolved {
            Some(r) => format!("{}:{} {:?} {}", r.uid, r.gid, r.groups, r.name.unwrap_or_default()),
            None => user.problem.unwrap(),
        }
    }

    fn leak(text: &str) -> &'static str {
        Box::leak(text.to_owned().into_boxed_str())
    }

    #[test]
    fn users_are_resolved_as_runtimes_do() {
        let (no_user, no_group) =
            ("/etc/passwd has no user of this name", "/etc/group has no group of this name");
        let differ = "runtimes differ about a user or group without a name";
        let cases = [
            ("", "0:0 [] root"),
            ("root", "0:0 [] root"),
            ("0", "0:0 [] root"),
            ("+0", "0:0 [] root"),
            ("app", "1000:1001 [4, 10] app"),
            ("1000", "1000:1001 [4, 10] app"),
            ("01000", "1000:1001 [4, 10] app"),
            ("1000:1000", "1000:1000 [] app"),
            ("app:adm", "1000:4 [] app"),
            ("app:0", "1000:0 [] app"),
            // A number without an entry has root's group.
            ("4711", "4711:0 [] "),
            ("4711:4711", "4711:4711 [] "),
            ("spaced", "7:8 [] spaced"),
            // Text in a numeric field is 0, and so is a missing one.
            ("bad", "0:0 [] bad"),
            ("short", "0:0 [] short"),
            ("app:bad", "1000:0 [] app"),
            // The first of two.
            ("twin", "5:5 [] twin"),
            ("nobody", no_user),
            ("App", no_user),
            ("1000x", no_user),
            ("app:nobody", no_group),
            ("neg", "-1 is no number of a user or group"),
            ("huge", "4294967296 is no number of a user or group"),
            ("-5", "-5 is no number of a user or group"),
            ("2147483648", "2147483648 is no number of a user or group"),
            ("99999999999999999999", no_user),
            ("a:b:c", "it has more than a user and a group"),
            (":1000", differ),
            ("1000:", differ),
            (":", differ),
            (" app", no_user),
        ];
        for (configured, want) in cases {
            assert_eq!(said(configured, Some(USERS), Some(GROUPS)), want, "{configured:?}");
        }
        for (configured, want) in [
            ("", "0:0 [] "),
            ("1000", "1000:0 [] "),
            ("app", no_user),
            ("1:2", "1:2 [] "),
            ("1:a", no_group),
        ] {
            assert_eq!(said(configured, None, None), want, "{configured:?}");
        }
    }

    #[test]
    fn a_file_that_was_not_read_is_no_absent_one() {
        let user = resolve("app", Some(Err("it is a link")), None);
        assert_eq!(user.problem.as_deref(), Some("/etc/passwd: it is a link"));
        let user = resolve("4:adm", None, Some(Err("it is a link")));
        assert_eq!(user.problem.as_deref(), Some("/etc/group: it is a link"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(user in "[a0:+-]{0,6}", bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)) {
            let accounts = || Some(Ok(Accounts(&bytes)));
            let found = resolve(&user, accounts(), accounts());
            proptest::prop_assert_ne!(found.resolved.is_some(), found.problem.is_some());
        }
    }
}
