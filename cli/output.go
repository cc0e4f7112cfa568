package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"gopkg.in/yaml.v3"
)

// outputFlag is -o, on every command that reads.
type outputFlag struct {
	Output string `short:"o" enum:"table,json,jsonl,yaml,csv,name" default:"table" placeholder:"FORMAT" help:"How to print: table, json, jsonl, yaml, csv, name."`
	JQ     string `name:"jq" placeholder:"EXPR" help:"Print what a jq expression makes of the JSON."`
}

// machine is true where the output is for programs.
func (f outputFlag) machine() bool {
	return f.JQ != "" || f.Output == "json" || f.Output == "jsonl" || f.Output == "yaml" || f.Output == "csv"
}

// plain is true for what programs read: no table, and no talk on stdout.
func (f outputFlag) plain() bool { return f.machine() || f.Output == "name" }

// asTable is the output for people, for commands that stand for others.
var asTable = outputFlag{Output: "table"}

// list is what an ls command prints, in whatever form.
type list[T any] struct {
	items   []T
	name    func(T) string // -o name: a full name or id
	columns []string
	row     func(T) []string
	cut     bool           // a row keeps to a line of a terminal: the last column is cut, then the widest
	group   func(T) string // a heading above the rows that share it; nil: none
	empty   string         // talk for an empty table
}

func (l list[T]) print(s *IO, f outputFlag) error {
	if f.JQ != "" {
		return s.printJQ(l.items, f.JQ)
	}
	if f.Output == "csv" {
		var like T
		values := make([]any, len(l.items))
		for i, item := range l.items {
			values[i] = item
		}
		return s.printCSV(like, values)
	}
	if f.Output == "name" {
		for _, item := range l.items {
			s.print("%s", l.name(item))
		}
		return nil
	}
	if f.Output == "jsonl" {
		for _, item := range l.items {
			if err := s.printJSON(item, ""); err != nil {
				return err
			}
		}
		return nil
	}
	if f.machine() {
		return s.printObject(l.items, f)
	}
	if len(l.items) == 0 {
		s.say("%s", l.empty)
		return nil
	}
	rows := make([][]string, len(l.items))
	for i, item := range l.items {
		rows[i] = l.row(item)
	}
	columns := l.columns
	if l.cut {
		columns = s.cutLast(columns, rows)
	}
	if l.group == nil {
		s.printTable(columns, rows)
		return nil
	}
	s.print("%s", strings.Join(l.grouped(s, s.foldedLines(columns, rows, s.Width-2)), "\n"))
	return nil
}

// grouped puts headings between the rows of a table.
func (l list[T]) grouped(s *IO, rows [][]string) (grouped []string) {
	heading := ""
	for i, lines := range rows {
		if i > 0 {
			if next := l.group(l.items[i-1]); next != heading {
				heading = next
				grouped = append(grouped, s.colour(s.OutTerminal, blue, heading))
			}
		}
		for _, line := range lines {
			grouped = append(grouped, "  "+line)
		}
	}
	return grouped
}

// printObject prints one value as JSON, YAML or CSV, or what --jq makes of it.
func (s *IO) printObject(value any, f outputFlag) error {
	switch {
	case f.JQ != "":
		return s.printJQ(value, f.JQ)
	case f.Output == "csv":
		return s.printCSV(value, []any{value})
	}
	if f.Output != "yaml" {
		indent := "  "
		if f.Output == "jsonl" {
			indent = ""
		}
		return s.printJSON(value, indent)
	}
	// By way of JSON, so that both have the same names and shapes.
	var b bytes.Buffer
	if err := encodeJSON(&b, value, ""); err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(b.Bytes(), &node); err != nil {
		return err
	}
	blockStyle(&node)
	encoder := yaml.NewEncoder(s.Out)
	encoder.SetIndent(2)
	return encoder.Encode(&node)
}

// blockStyle undoes the one-line style that YAML keeps from JSON.
func blockStyle(node *yaml.Node) {
	node.Style = 0
	for _, child := range node.Content {
		blockStyle(child)
	}
}

func (s *IO) printJSON(value any, indent string) error { return encodeJSON(s.Out, value, indent) }

func encodeJSON(w interface{ Write([]byte) (int, error) }, value any, indent string) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	return encoder.Encode(value)
}

// pairs prints names and values, aligned, for inspect commands.
func (s *IO) pairs(pairs [][2]string) {
	for _, line := range s.pairLines(pairs) {
		s.print("%s", line)
	}
}

func (s *IO) pairLines(pairs [][2]string) (lines []string) {
	width := 0
	for _, p := range pairs {
		width = max(width, lipgloss.Width(p[0]))
	}
	for _, p := range pairs {
		if p[1] == "" {
			continue
		}
		name, gap := s.colour(s.OutTerminal, faint, p[0]), strings.Repeat(" ", width-lipgloss.Width(p[0]))
		for _, line := range strings.Split(strings.TrimRight(p[1], "\n"), "\n") {
			lines = append(lines, name+gap+"  "+line)
			name, gap = "", strings.Repeat(" ", width)
		}
	}
	return lines
}

// stateColours help the eye; the words alone say all.
var stateColours = map[string]string{
	"COMPLETED": green, "FAILED": red, "CRASHED": red, "CANCELLED": yellow, "CANCELLING": yellow, "RUNNING": blue,
}

// ago is a time relative to now, as tables show it.
func (s *IO) ago(t time.Time) string {
	d := s.Clock().Sub(t)
	if d < 0 {
		return "in " + duration(-d)
	}
	if d < time.Second {
		return "now"
	}
	return duration(d) + " ago"
}

// duration is rounded for people: two units at the most.
func duration(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + "s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm %02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh %02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

// local is a time for people: theirs, with the zone's name.
func (s *IO) local(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func limitText(limit *int) string {
	if limit == nil {
		return "-"
	}
	return fmt.Sprint(*limit)
}
