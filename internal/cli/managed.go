package cli

import "slices"

// managedPlace is from which file an object is managed, and of which commit;
// empty if it is not.
func managedPlace(f map[string]any) string {
	m, ok := f["@portreeve.managed"].(map[string]any)
	if !ok {
		return ""
	}
	place := text(m["file"]) + ":" + text(m["line"])
	if c := text(m["commit"]); c != "" {
		place += " @ " + c
	}
	return place
}

// fromFile is a column with from where objects come, if any comes from a file.
func fromFile(rows []row) []column {
	if !slices.ContainsFunc(rows, func(r row) bool { return managedPlace(r.fields) != "" }) {
		return nil
	}
	return []column{of("from file", managedPlace)}
}

// tellManaged says where an object's file is and who applied it.
func tellManaged(s *sheet, f map[string]any) {
	if m, ok := f["@portreeve.managed"].(map[string]any); ok {
		s.line("From file", managedPlace(f)+", applied by "+text(m["by"])+" at "+text(m["at"]))
	}
}
