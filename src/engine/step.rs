//! Which step a builder is at, by what it prints.
//!
//! Turns lines of BuildKit's plain progress (`#7 [build 2/4] RUN make`; its own of `Control.Status` are made to look so) and of
//! buildah (`[1/2] STEP 2/4: RUN make`) into [`Step`]s. The plain form is read because every version that is accepted has it;
//! `--progress=rawjson` is younger. What a build step prints can be made to look like a step of buildah: it is for people to
//! watch and nothing is decided by it.

use crate::progress::Step;

/// Longest name of a step, in characters.
const NAME_CHARS: usize = 200;

/// Reads the lines of one build.
#[derive(Debug, Default)]
pub struct Steps {
    /// The last step that BuildKit named: it numbers them from 1, and repeats the name when it comes back to one.
    newest: u32,
}

impl Steps {
    /// The step that this line begins, if it does.
    pub fn read(&mut self, line: &str) -> Option<Step> {
        match line.strip_prefix('#') {
            Some(rest) => self.buildkit(rest),
            None => buildah(line),
        }
    }

    /// A line after the name of its step is output (`#7 0.123 text`), a status (`#7 DONE 0.1s`) or the name again.
    fn buildkit(&mut self, line: &str) -> Option<Step> {
        let (number, name) = line.split_once(' ')?;
        let number = number.parse().ok().filter(|number| *number > self.newest)?;
        self.newest = number;
        let bracketed = name.strip_prefix('[').and_then(|rest| rest.split_once("] "));
        let numbered = bracketed.and_then(|(inside, text)| {
            let (stage, fraction) = match inside.rsplit_once(' ') {
                Some((stage, fraction)) => (Some(stage), fraction),
                None => (None, inside),
            };
            Some(step(stage, Some(parts(fraction)?), text))
        });
        Some(numbered.unwrap_or_else(|| step(None, None, name)))
    }
}

/// `STEP 2/4: RUN make`, after `[1/2] ` where the Dockerfile has several stages.
fn buildah(line: &str) -> Option<Step> {
    let stage = line.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    let stage = stage.filter(|(stage, _)| parts(stage).is_some());
    let (stage, rest) = stage.map_or((None, line), |(stage, rest)| (Some(stage), rest));
    let (fraction, name) = rest.strip_prefix("STEP ")?.split_once(": ")?;
    Some(step(
        stage.map(|stage| format!("stage {stage},")).as_deref(),
        Some(parts(fraction)?),
        name,
    ))
}

/// `2/4`.
fn parts(fraction: &str) -> Option<(u32, u32)> {
    let (at, of) = fraction.split_once('/')?;
    Some((at.parse().ok()?, of.parse().ok()?))
}

fn step(stage: Option<&str>, number: Option<(u32, u32)>, name: &str) -> Step {
    let cut = |text: &str| text.chars().take(NAME_CHARS).collect();
    Step { stage: stage.map(cut), number, name: cut(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a build, and what is shown for each that begins a step.
    fn shown(lines: &[&str]) -> Vec<String> {
        let mut steps = Steps::default();
        lines.iter().filter_map(|line| steps.read(line)).map(|step| step.to_string()).collect()
    }

    #[test]
    fn buildkits_steps_are_shown_once_and_its_output_never() {
        let lines = [
            "#0 building with \"default\" instance using docker driver",
            "#1 [internal] load build definition from Dockerfile",
            "#1 transferring dockerfile: 2B done",
            "#1 DONE 0.0s",
            "#5 [build 2/4] RUN cc -o greet greet.c",
            "#5 0.123 [3/4] RUN evil",
            "#6 [linux/amd64 release 1/2] COPY --from=build /greet /",
            "#5 [build 2/4] RUN cc -o greet greet.c",
            "#5 DONE 0.3s",
            "#7 [2/2] RUN x",
            "#8 exporting to oci image format",
            "#x [2/2] RUN x",
            "# ",
            "",
        ];
        assert_eq!(
            shown(&lines),
            [
                "[internal] load build definition from Dockerfile",
                "[build 2/4] RUN cc -o greet greet.c",
                "[linux/amd64 release 1/2] COPY --from=build /greet /",
                "[2/2] RUN x",
                "exporting to oci image format",
            ]
        );
    }

    #[test]
    fn buildahs_steps_are_shown() {
        let lines =
            ["STEP 1/4: FROM base", "[2/2] STEP 2/4: RUN make", "STEP x: y", "STEP 1/2", "[a] b"];
        assert_eq!(shown(&lines), ["[1/4] FROM base", "[stage 2/2, 2/4] RUN make"]);
    }

    #[test]
    fn a_name_is_cut() {
        let line = format!("#1 [{0} 1/2] {0}", "ü".repeat(3000));
        let step = Steps::default().read(&line).unwrap();
        assert_eq!(step.name.chars().count(), NAME_CHARS);
        assert_eq!(step.stage.unwrap().chars().count(), NAME_CHARS);
    }
}
