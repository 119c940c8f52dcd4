package main

import (
	"encoding/csv"
	"io"
	"strings"
)

// writeCSV writes things that have the same fields, below a line of the fields' names.
func writeCSV(to io.Writer, names []string, things [][]field) error {
	w := csv.NewWriter(to)
	if err := w.Write(names); err != nil {
		return err
	}
	for _, fields := range things {
		row := make([]string, len(fields))
		for i, f := range fields {
			row[i] = csvCell(f.value)
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// csvCell keeps a spreadsheet from taking a text for a formula. A minus begins amounts.
func csvCell(text string) string {
	if strings.IndexAny(text, "=+@\t\r") == 0 {
		return "'" + text
	}
	return text
}

// names are the names of fields.
func names(fields []field) []string {
	list := make([]string, len(fields))
	for i, f := range fields {
		list[i] = f.name
	}
	return list
}
