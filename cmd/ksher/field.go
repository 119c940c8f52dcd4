package main

// objects are things as JSON has them.
func objects(things [][]field) []map[string]string {
	list := make([]map[string]string, len(things))
	for i, fields := range things {
		list[i] = map[string]string{}
		for _, f := range fields {
			list[i][f.name] = f.value
		}
	}
	return list
}

// fieldsOf makes the fields of each thing.
func fieldsOf[T any](things []T, fields func(*T) []field) [][]field {
	list := make([][]field, len(things))
	for i := range things {
		list[i] = fields(&things[i])
	}
	return list
}
