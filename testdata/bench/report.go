package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// series is one line of a plot.
type series struct {
	name string
	x, y []float64
}

func (s *series) add(x, y float64) { s.x, s.y = append(s.x, x), append(s.y, y) }

// plot is a picture of curves, both axes in powers of ten, or of bars.
type plot struct {
	name, title, x, y string
	lines             []series
	bars              []bar
}

type bar struct {
	name  string
	value float64
}

// write makes benchmarks.md in the folder, and the plots in a folder of that name.
func (b *bench) write(folder string) error {
	pictures := filepath.Join(folder, "benchmarks")
	if err := os.MkdirAll(pictures, 0o755); err != nil { //nolint:gosec // documents
		return err
	}
	for _, p := range b.plots {
		if err := os.WriteFile(filepath.Join(pictures, p.name+".svg"), []byte(p.svg()), 0o644); err != nil { //nolint:gosec // a document
			return err
		}
	}
	return os.WriteFile(filepath.Join(folder, "benchmarks.md"), []byte(b.markdown()), 0o644) //nolint:gosec // a document
}

func (b *bench) markdown() string {
	var t strings.Builder
	fmt.Fprintf(&t, "# Benchmarks\n\nMade on %s by `go run ./testdata/bench --write docs`.\n\n", time.Now().UTC().Format(time.DateOnly))
	for _, line := range b.machine {
		fmt.Fprintf(&t, "- %s\n", line)
	}
	t.WriteString(`
All of it was measured in one run: whole processes, by turns (A B A B) after a
warm-up. A figure is a median; the range is the one in which chance leaves it
nineteen times in twenty. Trust the ratios: times are this machine's.
One figure alone: ` + "`go run ./testdata/bench --only trigger`; with profiles:\n`--profile DIR`.\n" + `
## The marks

| | measured | range | mark |
|---|---:|---:|---|
`)
	for _, r := range b.results {
		if markOf(r.figure, r.what) != nil {
			fmt.Fprintf(&t, "| %s: %s | %s | %s | %s |\n", r.figure, r.what, r.amount(), r.value.spread(), r.verdict)
		}
	}
	t.WriteString("\n\"Held to\" is what a missed mark has reached: CI fails where a figure falls behind it\nby more than the noise. [speed.md](speed.md) says what the limits are.\n")
	for _, f := range figures {
		b.section(&t, f)
	}
	return t.String()
}

func (b *bench) section(t *strings.Builder, f figure) {
	fmt.Fprintf(t, "\n## %s\n\n%s%s.\n\n| | median | range |\n|---|---:|---:|\n", f.name, strings.ToUpper(f.about[:1]), f.about[1:])
	var skipped []string
	for _, r := range b.results {
		switch {
		case r.figure != f.name:
		case strings.HasPrefix(r.verdict, "left out"):
			skipped = append(skipped, fmt.Sprintf("- %s %s", r.what, r.verdict))
		default:
			fmt.Fprintf(t, "| %s | %s | %s |\n", r.what, r.amount(), r.value.spread())
		}
	}
	if len(skipped) > 0 {
		fmt.Fprintf(t, "\n%s\n", strings.Join(skipped, "\n"))
	}
	for _, p := range b.plots {
		if p.name == f.name {
			fmt.Fprintf(t, "\n![%s](benchmarks/%s.svg)\n", p.title, p.name)
		}
	}
}

func (r result) amount() string { return strings.TrimSpace(number(r.value.mid) + " " + r.unit) }

// The measures of a picture in pixels.
const (
	width, height = 640, 360
	left, right   = 80, 150
	top, bottom   = 40, 50
)

var colours = []string{"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b"}

func (p plot) svg() string {
	var t strings.Builder
	fmt.Fprintf(&t, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&t, `<rect width="%d" height="%d" fill="white"/>`+"\n"+`<text x="%d" y="22" font-size="15">%s</text>`+"\n", width, height, left, p.title)
	if len(p.bars) > 0 {
		p.drawBars(&t)
	} else {
		p.drawLines(&t)
	}
	t.WriteString("</svg>\n")
	return t.String()
}

// drawBars draws from left to right, by the logarithm: what is compared here may
// be thousands of times apart.
func (p plot) drawBars(t *strings.Builder) {
	low, high := math.Inf(1), 0.0
	for _, b := range p.bars {
		low, high = min(low, b.value), max(high, b.value)
	}
	from, to := math.Floor(math.Log10(low))-1, math.Log10(high)
	step := float64(height-top-bottom) / float64(len(p.bars))
	const names = 190 // the longest has 26 letters
	for i, b := range p.bars {
		y := top + step*float64(i)
		w := (math.Log10(b.value) - from) / (to - from) * (width - names - 110)
		fmt.Fprintf(t, `<text x="%d" y="%.0f" text-anchor="end">%s</text>`+"\n", names-8, y+step/2+4, b.name)
		fmt.Fprintf(t, `<rect x="%d" y="%.0f" width="%.0f" height="%.0f" fill="%s"/>`+"\n", names, y+step*0.15, w, step*0.7, colours[0])
		fmt.Fprintf(t, `<text x="%.0f" y="%.0f">%s</text>`+"\n", names+w+6, y+step/2+4, number(b.value))
	}
	fmt.Fprintf(t, `<text x="%d" y="%d">%s (logarithmic)</text>`+"\n", names, height-15, p.y)
}

func (p plot) drawLines(t *strings.Builder) {
	xs, ys := newAxis(p.lines, func(s series) []float64 { return s.x }), newAxis(p.lines, func(s series) []float64 { return s.y })
	at := func(x, y float64) (float64, float64) {
		return left + xs.place(x)*(width-left-right), height - bottom - ys.place(y)*(height-top-bottom)
	}
	for e := xs.low; e <= xs.high; e++ {
		x, y := at(math.Pow(10, e), math.Pow(10, ys.low))
		fmt.Fprintf(t, `<path d="M%.1f %.1fV%d" stroke="#ddd"/><text x="%.1f" y="%.1f" text-anchor="middle">%g</text>`+"\n", x, y, top, x, y+16, math.Pow(10, e))
	}
	for e := ys.low; e <= ys.high; e++ {
		x, y := at(math.Pow(10, xs.low), math.Pow(10, e))
		fmt.Fprintf(t, `<path d="M%.1f %.1fH%d" stroke="#ddd"/><text x="%.1f" y="%.1f" text-anchor="end">%g</text>`+"\n", x, y, width-right, x-6, y+4, math.Pow(10, e))
	}
	fmt.Fprintf(t, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+width-right)/2, height-12, p.x)
	fmt.Fprintf(t, `<text x="%d" y="%d" text-anchor="middle" transform="rotate(-90 18 %d)">%s</text>`+"\n", 18, height/2, height/2, p.y)
	for i, s := range p.lines {
		colour, path := colours[i%len(colours)], ""
		for k := range s.x {
			x, y := at(s.x[k], s.y[k])
			path += fmt.Sprintf("%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[k == 0], x, y)
			fmt.Fprintf(t, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x, y, colour)
		}
		fmt.Fprintf(t, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", path, colour)
		fmt.Fprintf(t, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", width-right+8, top+10+18*i, colour, s.name)
	}
}

// axis goes from one power of ten to another.
type axis struct{ low, high float64 }

func newAxis(lines []series, of func(series) []float64) axis {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range lines {
		for _, v := range of(s) {
			low, high = min(low, v), max(high, v)
		}
	}
	a := axis{math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))}
	if a.high == a.low {
		a.high++
	}
	return a
}

func (a axis) place(v float64) float64 { return (math.Log10(v) - a.low) / (a.high - a.low) }
