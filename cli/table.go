package cli

import (
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// printTable aligns columns, two spaces apart.
func (s *IO) printTable(columns []string, rows [][]string) {
	s.print("%s", strings.Join(slices.Concat(s.foldedLines(columns, rows, s.Width)...), "\n")) // one write
}

// flat keeps a cell on its line, with a width that can be told.
var flat = strings.NewReplacer("\n", " ", "\t", "    ")

// columnWidths are the widths of a table's columns, and what they take together.
func columnWidths(rows [][]string) (widths []int, total int) {
	widths = make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], lipgloss.Width(flat.Replace(cell)))
		}
	}
	for _, width := range widths {
		total += width
	}
	return widths, total + 2*(len(widths)-1)
}

// tableLines are a table's lines, the heading first. lipgloss's own table lays
// each cell out by itself, a tenth of a short command's time.
func (s *IO) tableLines(columns []string, rows [][]string) []string {
	rows = append([][]string{columns}, rows...)
	widths, _ := columnWidths(rows)
	lines := make([]string, len(rows))
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			cell = flat.Replace(cell)
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-lipgloss.Width(cell)+2))
		}
		lines[n] = strings.TrimRight(line.String(), " ")
	}
	lines[0] = s.colour(s.OutTerminal, bold, lines[0])
	return lines
}

// leastColumn is what a column keeps where others need room; and its heading.
const leastColumn = 8

// fitted are the widths of columns in so much room of a terminal, the widest
// giving way; nil where none has to.
func (s *IO) fitted(columns []string, rows [][]string, room int) []int {
	if !s.OutTerminal {
		return nil
	}
	widths, total := columnWidths(append([][]string{columns}, rows...))
	if total <= room {
		return nil
	}
	for ; total > room; total-- {
		widest, most := -1, 0
		for i, width := range widths {
			if width > max(most, leastColumn, lipgloss.Width(columns[i])) {
				widest, most = i, width
			}
		}
		if widest < 0 {
			break // as narrow as it gets
		}
		widths[widest]--
	}
	return widths
}

// foldedLines are the lines of each row, the heading first: one, but where a
// terminal has no room for it. There a cell goes on below itself.
func (s *IO) foldedLines(columns []string, rows [][]string, room int) [][]string {
	widths := s.fitted(columns, rows, room)
	folded, heights := rows, make([]int, len(rows))
	if widths != nil {
		folded = nil
	}
	for n, row := range rows {
		heights[n] = 1
		if widths != nil {
			parts := foldRow(row, widths)
			folded, heights[n] = append(folded, parts...), len(parts)
		}
	}
	lines := s.tableLines(columns, folded)
	parts, rest := [][]string{lines[:1]}, lines[1:]
	for _, height := range heights {
		parts, rest = append(parts, rest[:height]), rest[height:]
	}
	return parts
}

// foldRow makes of a row as many as its highest cell has lines.
func foldRow(row []string, widths []int) (parts [][]string) {
	for i, cell := range row {
		for n, line := range strings.Split(ansi.Wrap(flat.Replace(cell), widths[i], "/,"), "\n") {
			if n == len(parts) {
				parts = append(parts, make([]string, len(row)))
			}
			parts[n][i] = strings.TrimRight(line, " ")
		}
	}
	return parts
}

// leastCut of a last column, as much as its heading, says something: less is left out.
const leastCut = 8

// cutLast keeps each row to its line on a terminal: it cuts the last cells, or
// leaves them out, then the widest columns. It gives the columns that are left.
func (s *IO) cutLast(columns []string, rows [][]string) []string {
	if !s.OutTerminal {
		return columns
	}
	last := len(columns) - 1
	widths, total := columnWidths(append([][]string{columns}, rows...))
	room := s.Width - total + widths[last]
	if room >= leastCut {
		cutCells(rows, last, room)
		return columns
	}
	columns = columns[:last]
	for i, row := range rows {
		rows[i] = row[:last]
	}
	for i, width := range s.fitted(columns, rows, s.Width) {
		cutCells(rows, i, width)
	}
	return columns
}

func cutCells(rows [][]string, column, width int) {
	for _, row := range rows {
		row[column] = ansi.Truncate(flat.Replace(row[column]), width, "…")
	}
}
