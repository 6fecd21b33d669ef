;; A program with threads (wasi-threads). What a thread does is its argument:
;;   0 adds 1000 times to a counter, atomically and under a lock, then says so
;;   1 traps   2 exits with code 7   3 loops for ever   4 waits for ever   5 writes a line many times
;;   6 closes descriptor 0 a little later, and then writes a line
(module
  (import "env" "memory" (memory 2 16 shared))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))

  ;; 0 counter   8 lock   16 counter under the lock   24 threads that are done   32 ids   64 iovecs
  (data $text "0123456789abcdef\0a")

  (func $lock (local i32)
    (if (local.tee 0 (i32.atomic.rmw.cmpxchg (i32.const 8) (i32.const 0) (i32.const 1)))
      (then (loop $l
        (if (i32.or (i32.eq (local.get 0) (i32.const 2))
              (i32.ne (i32.const 0)
                (i32.atomic.rmw.cmpxchg (i32.const 8) (i32.const 1) (i32.const 2))))
          (then (drop (memory.atomic.wait32 (i32.const 8) (i32.const 2) (i64.const -1)))))
        (br_if $l (local.tee 0
          (i32.atomic.rmw.cmpxchg (i32.const 8) (i32.const 0) (i32.const 2))))))))
  (func $unlock
    (if (i32.ne (i32.atomic.rmw.sub (i32.const 8) (i32.const 1)) (i32.const 1))
      (then (i32.atomic.store (i32.const 8) (i32.const 0))
        (drop (memory.atomic.notify (i32.const 8) (i32.const 1))))))

  (func $count (local $i i32)
    (loop $l
      (drop (i64.atomic.rmw.add (i32.const 0) (i64.const 1)))
      (call $lock)
      (i64.store (i32.const 16) (i64.add (i64.load (i32.const 16)) (i64.const 1)))
      (call $unlock)
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
        (i32.const 1000))))
    (drop (i32.atomic.rmw.add (i32.const 24) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 24) (i32.const -1))))

  (func $line (param $tid i32) (local $i i32) (local $at i32)
    (local.set $at (i32.mul (local.get $tid) (i32.const 1024)))
    (memory.init $text (i32.add (local.get $at) (i32.const 64)) (i32.const 0) (i32.const 17))
    (i32.store (local.get $at) (i32.add (local.get $at) (i32.const 64)))
    (i32.store offset=4 (local.get $at) (i32.const 17))
    (loop $l
      (if (call $write (i32.const 1) (local.get $at) (i32.const 1)
            (i32.add (local.get $at) (i32.const 8)))
        (then unreachable))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
        (i32.const 200))))
    (drop (i32.atomic.rmw.add (i32.const 24) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 24) (i32.const -1))))

  (func (export "wasi_thread_start") (param $tid i32) (param $what i32)
    (drop (i32.atomic.rmw.or (i32.const 32) (i32.shl (i32.const 1) (local.get $tid))))
    (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 (local.get $what)))
      (return (call $count)))
      (unreachable))
      (call $exit (i32.const 7)))
      (loop $l (br $l)))
      (return (drop (memory.atomic.wait32 (i32.const 48) (i32.const 0) (i64.const -1)))))
      (return (call $line (local.get $tid))))
    (drop (memory.atomic.wait32 (i32.const 48) (i32.const 0) (i64.const 100000000)))
    (drop (call $close (i32.const 0)))
    (memory.init $text (i32.const 400) (i32.const 0) (i32.const 17))
    (i32.store (i32.const 384) (i32.const 400)) (i32.store (i32.const 388) (i32.const 17))
    (drop (call $write (i32.const 1) (i32.const 384) (i32.const 1) (i32.const 392))))

  (func $start_four (param $what i32) (local $i i32)
    (loop $l
      (if (i32.le_s (call $spawn (local.get $what)) (i32.const 0)) (then unreachable))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
        (i32.const 4)))))
  ;; Until n threads are done.
  (func $join (param $n i32) (local $done i32)
    (loop $l
      (local.set $done (i32.atomic.load (i32.const 24)))
      (if (i32.lt_u (local.get $done) (local.get $n)) (then
        (drop (memory.atomic.wait32 (i32.const 24) (local.get $done) (i64.const -1)))
        (br $l)))))
  (func $forever (loop $l
    (drop (memory.atomic.wait32 (i32.const 56) (i32.const 0) (i64.const -1))) (br $l)))

  (func (export "_start")
    (call $start_four (i32.const 0))
    (call $join (i32.const 4))
    (if (i64.ne (i64.atomic.load (i32.const 0)) (i64.const 4000)) (then (call $exit (i32.const 1))))
    (if (i64.ne (i64.load (i32.const 16)) (i64.const 4000)) (then (call $exit (i32.const 2))))
    (if (i32.ne (i32.popcnt (i32.load (i32.const 32))) (i32.const 4))
      (then (call $exit (i32.const 3))))
    (call $exit (i32.const 42)))
  (func (export "lines") (call $start_four (i32.const 5)) (call $join (i32.const 4)))
  (func (export "one traps")
    (call $start_four (i32.const 4)) (drop (call $spawn (i32.const 1))) (call $forever))
  (func (export "one exits")
    (call $start_four (i32.const 3)) (drop (call $spawn (i32.const 2))) (call $forever))
  (func (export "first returns") (call $start_four (i32.const 3)) (call $start_four (i32.const 4)))
  (func (export "first traps") (call $start_four (i32.const 3)) unreachable)
  (func (export "hang") (call $start_four (i32.const 3)) (call $forever))
  ;; Another thread ends the program while this one waits for input.
  (func (export "read")
    (i32.store (i32.const 64) (i32.const 512)) (i32.store (i32.const 68) (i32.const 16))
    (drop (call $spawn (i32.const 2)))
    (drop (call $read (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 72))))
  ;; The descriptor it reads from is closed meanwhile: exits with the error.
  (func (export "closed")
    (i32.store (i32.const 64) (i32.const 512)) (i32.store (i32.const 68) (i32.const 16))
    (drop (call $spawn (i32.const 6)))
    (call $exit (call $read (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 72))))
  ;; Exits with how many could be started, of 100.
  (func (export "many") (local $i i32)
    (block $end (loop $l
      (br_if $end (i32.le_s (call $spawn (i32.const 4)) (i32.const 0)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
        (i32.const 100)))))
    (call $exit (local.get $i)))
  ;; One after the other, more than may live at once.
  (func (export "sequence") (local $i i32)
    (loop $l
      (if (i32.gt_s (call $spawn (i32.const 0)) (i32.const 0)) (then
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (call $join (local.get $i))))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 40))))
    (call $exit (i32.const 9))))
