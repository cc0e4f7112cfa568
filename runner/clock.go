package runner

import "time"

// clockStep is the smallest step of the clock, or sleep of the machine, that
// is worth a word; time servers move it by less all the time.
const clockStep = 2 * time.Second

// clockWatch is what the clocks say at one moment.
type clockWatch struct {
	wall  time.Time     // without its monotonic part
	awake time.Duration // stands still while the machine sleeps
	whole time.Duration // does not
}

// since tells how long the machine slept between two moments, and by how much
// the wall clock was set.
func (c clockWatch) since(before clockWatch) (slept, set time.Duration) {
	whole := c.whole - before.whole
	return whole - (c.awake - before.awake), c.wall.Sub(before.wall) - whole
}
