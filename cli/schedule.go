package cli

type scheduleCmd struct {
	Next scheduleNextCmd `cmd:"" help:"Show the coming ticks of a deployment, or of a schedule."`
}
