package cli

import (
	"runnel/discover"
	"runnel/store"
)

// retryFlags say how often and when a run is tried again.
type retryFlags struct {
	Retries        *int      `placeholder:"N" help:"Try a failed run again so often."`
	RetryDelay     []float64 `sep:"none" aliases:"retry-delay-seconds" placeholder:"SECONDS" help:"Wait so long before a retry; repeated: one for each, the last for the rest."`
	RetriesOnCrash *int      `placeholder:"N" help:"Try a crashed run again so often; a budget of its own."`
	RetryJitter    *float64  `aliases:"retry-jitter-factor" placeholder:"FACTOR" help:"Make a delay longer by up to so many times itself."`
}

func (f retryFlags) policy() store.RetryPolicy {
	return store.RetryPolicy{
		Retries: f.Retries, DelaySeconds: f.RetryDelay, OnCrash: f.RetriesOnCrash, JitterFactor: f.RetryJitter,
	}
}

// crashBudget reads the literal options of a decorator or a script's block that
// are runnel's own; nil where it says nothing.
func crashBudget(flow discover.Flow) (onCrash *int, jitter *float64) {
	if n, ok := flow.Options["retries_on_crash"].Number(); ok && n >= 0 {
		whole := int(n)
		onCrash = &whole
	}
	if n, ok := flow.Options["retry_jitter_factor"].Number(); ok && n >= 0 {
		jitter = &n
	}
	return onCrash, jitter
}
