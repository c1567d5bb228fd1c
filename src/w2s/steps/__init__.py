"""Steps: files in, one file or model out. Only `supervise` and `evaluate` read gold."""
