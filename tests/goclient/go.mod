module isolation-baseline/tests/goclient

go 1.21
