package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// printCSV prints objects as rows, below the names of their fields: text as it
// is, null as nothing, all else as JSON. The columns are those of the first
// value, which is not printed itself, then what others have besides.
func (s *IO) printCSV(like any, values []any) error {
	columns, _, err := fieldsOf(like)
	if err != nil {
		return err
	}
	rows := make([]map[string]string, len(values))
	for i, value := range values {
		names, row, err := fieldsOf(value)
		if err != nil {
			return err
		}
		rows[i] = row
		for _, name := range names {
			if !slices.Contains(columns, name) {
				columns = append(columns, name)
			}
		}
	}
	w := csv.NewWriter(s.Out)
	_ = w.Write(columns) // its error comes with the flush
	for _, row := range rows {
		cells := make([]string, len(columns))
		for i, column := range columns {
			cells[i] = row[column]
		}
		_ = w.Write(cells)
	}
	w.Flush()
	return w.Error()
}

// fieldsOf gives the names of an object's fields, in their order, and the cells.
func fieldsOf(value any) (names []string, cells map[string]string, err error) {
	var b bytes.Buffer
	if err := encodeJSON(&b, value, ""); err != nil {
		return nil, nil, err
	}
	decoder := json.NewDecoder(&b)
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, nil, errors.Join(err, fmt.Errorf("%T is no object: -o csv cannot print it", value))
	}
	cells = map[string]string{}
	for decoder.More() {
		var cell json.RawMessage
		name, err := decoder.Token()
		if err == nil {
			err = decoder.Decode(&cell)
		}
		if err != nil {
			return nil, nil, err
		}
		var text string
		switch {
		case string(cell) == "null":
		case json.Unmarshal(cell, &text) == nil:
		default:
			text = string(cell)
		}
		names = append(names, name.(string))
		cells[name.(string)] = text
	}
	return names, cells, nil
}
