//! The states of jobs, as the queue words them.

/// What a job's state means for its task. None of them means success: that is the receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It waits, runs, or goes back into the queue.
    Active,
    /// It ended by itself, well.
    Completed,
    /// The cluster's fault.
    Lost,
    /// Somebody's will.
    Cancelled,
    /// The task's own fault, or its limits'.
    Failed,
    /// A word that is not known: the job is taken for active.
    Unknown,
}

impl State {
    /// The state that `text` begins with: sacct says `CANCELLED by 0` and cuts words off by `+`.
    pub fn of(text: &str) -> Self {
        match word(text) {
            "PENDING" | "CONFIGURING" | "RUNNING" | "COMPLETING" | "SUSPENDED" | "REQUEUED"
            | "STAGE_OUT" => Self::Active,
            "COMPLETED" => Self::Completed,
            "NODE_FAIL" | "BOOT_FAIL" | "PREEMPTED" => Self::Lost,
            "CANCELLED" => Self::Cancelled,
            "FAILED" | "TIMEOUT" | "OUT_OF_MEMORY" | "DEADLINE" => Self::Failed,
            _ => Self::Unknown,
        }
    }
}

/// The first word of a state.
pub(super) fn word(text: &str) -> &str {
    text.split(|letter: char| letter.is_whitespace() || letter == '+').next().unwrap_or_default()
}

/// Whether a job waits that no node could start, and does so until somebody releases it.
pub(super) fn is_held(state: &str, reason: &str) -> bool {
    word(state) == "PENDING" && reason.starts_with("launch failed")
}

/// Why a job waits that may do so for ever, if nobody looks after it.
pub(super) fn is_stuck(reason: &str) -> bool {
    const WAITING: [&str; 9] = [
        "None",
        "Resources",
        "Priority",
        "BeginTime",
        "JobArrayTaskLimit",
        "Cleaning",
        "NonZeroExitCode",
        "Prolog",
        "QOSMaxJobsPerUserLimit",
    ];
    !reason.is_empty() && !WAITING.contains(&reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_by_their_first_word() {
        for (text, state) in [
            ("PENDING", State::Active),
            ("REQUEUED", State::Active),
            ("STAGE_OUT", State::Active),
            ("COMPLETED", State::Completed),
            ("NODE_FAIL", State::Lost),
            ("BOOT_FAIL", State::Lost),
            ("PREEMPTED", State::Lost),
            ("CANCELLED by 0", State::Cancelled),
            ("CANCELLED+", State::Cancelled),
            ("OUT_OF_MEMORY", State::Failed),
            ("TIMEOUT", State::Failed),
            ("SOMETHING_NEW", State::Unknown),
            ("", State::Unknown),
        ] {
            assert_eq!(State::of(text), state, "{text}");
        }
    }
}
