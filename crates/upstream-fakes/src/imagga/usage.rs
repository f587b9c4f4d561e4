//! `/v2/usage`.

use std::sync::atomic::Ordering;

use serde_json::json;

use crate::call::Reply;
use crate::clock;
use crate::imagga::envelope::success;
use crate::imagga::state::State;

impl State {
    /// The used part of the plan; days and weeks are reported as if they were the whole month.
    pub(super) fn usage(&self) -> Reply {
        let (limit, used, total, start, end) = self.quota().figures();
        let limit_of_plan = self.max_concurrency.load(Ordering::SeqCst);
        let max = u32::try_from(limit_of_plan).unwrap_or(u32::MAX);
        success(&json!({
            "billing_period_start": start.format("%d %b %Y %H:%M:%S UTC").to_string(),
            "billing_period_end": end.format("%d %b %Y %H:%M:%S UTC").to_string(),
            "concurrency": { "max": max, "now": self.traffic.in_flight() },
            "daily": {},
            "daily_for": clock::now().format("%d %b %Y").to_string(),
            "daily_processed": used,
            "daily_requests": used,
            "last_usage": clock::now().timestamp(),
            "monthly": {},
            "monthly_limit": limit,
            "monthly_processed": used,
            "monthly_requests": used,
            "total_processed": total,
            "total_requests": total,
            "weekly": {},
            "weekly_processed": used,
            "weekly_requests": used,
        }))
    }
}
