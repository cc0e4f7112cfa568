package cli

import (
	"slices"

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

// tryFlags are the flags that say what a decorator may say of tries.
var tryFlags = map[string]string{
	"retries": "--retries", "retry_delay_seconds": "--retry-delay", "retry_jitter_factor": "--retry-jitter",
	"retries_on_crash": "--retries-on-crash", "timeout_seconds": "--timeout",
}

// leftOut begins the line that names what untold gives.
const leftOut = "left out, since only running the flow's code would tell it; say it with a flag"

// untold names what a decorator says of tries in a way that only running it would
// tell, and nobody else has said.
func untold(flow discover.Flow, said func(option string) bool) (list []string) {
	for option, flag := range tryFlags {
		if o, there := flow.Options[option]; there && !o.Literal && !said(option) {
			list = append(list, option+" ("+flag+")")
		}
	}
	slices.Sort(list)
	return list
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
