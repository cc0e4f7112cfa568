package runner

import "time"

// awake is of no use here: no flow runs.
func awake() time.Duration { return time.Since(processStart) }
