module troth.invalid/bench

go 1.21
