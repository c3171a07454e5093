package admin

import "testing"

// A list is read whole or refused; every row has a cell for every column.
func FuzzReadPeople(f *testing.F) {
	for _, s := range []string{"address\nmary\n", "\ufeffaddress;groups\r\nm;\"a;b\"\r\n", "address,\"\n\"\n", "address\tdisabled\nx\ty", "\"", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := readPeople(text)
		if err != nil {
			return
		}
		for i, r := range rows {
			if _, ok := r.cells["address"]; !ok || r.line < 2 || i > 0 && r.line <= rows[i-1].line {
				t.Fatalf("row %d of line %d: %v", i, r.line, r.cells)
			}
		}
	})
}
