;; One function for each rule of docs/abi.md that shows in the code. Function indices are in the names.
(module
  (type $void (func))
  (type $binary (func (param i32 i32) (result i32)))
  (type $three (func (result i32 i32 i32)))
  (import "host" "log" (func $log (param i32) (result i32)))   ;; 0
  (memory (export "memory") 1)
  (table 16 funcref)
  (global $g (mut i32) (i32.const 1))
  (elem (i32.const 0) $add)
  (func $add (param i32 i32) (result i32)                      ;; 1
    (i32.add (local.get 0) (local.get 1)))
  (func (export "global") (result i32)                         ;; 2
    (global.set $g (i32.const 5)) (global.get $g))
  (func (export "indirect") (param i32) (result i32)           ;; 3
    (call_indirect (type $binary) (i32.const 1) (i32.const 2) (local.get 0)))
  (func $recurse (export "recurse") (param i32) (result i32)   ;; 4
    (if (result i32) (local.get 0)
      (then (call $recurse (i32.sub (local.get 0) (i32.const 1))))
      (else (i32.const 7))))
  (func (export "load") (param i32) (result i32)               ;; 5
    (i32.load offset=1000 (local.get 0)))
  (func (export "far load") (param i32) (result i32)           ;; 6
    (i32.load offset=0xffffffff (local.get 0)))
  (func (export "unused load") (param i32)                     ;; 7
    (drop (i32.load (local.get 0))))
  (func (export "unreachable") unreachable)                    ;; 8
  (func (export "divide") (param i32 i32) (result i32)         ;; 9
    (i32.div_s (local.get 0) (local.get 1)))
  (func (export "twice") (param i32)                           ;; 10
    (i32.store (local.get 0) (i32.const 1))
    (i32.store (local.get 0) (i32.const 2)))
  (func (export "host") (param i32) (result i32)               ;; 11
    (call $log (local.get 0)))
  (func $three (export "three") (result i32 i32 i32)           ;; 12
    (i32.const 1) (i32.const 2) (i32.const 3))
  (func (export "use three") (result i32)                      ;; 13
    (call $three) i32.add i32.add)
  (func (export "fill") (param i32)                            ;; 14
    (local $i i32)
    (loop $l
      (i32.store8 (i32.add (local.get 0) (local.get $i)) (i32.const 0))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000)))))
  (func (export "switch") (param i32) (result i32)             ;; 15
    (block $a (block $b (block $c (block $d (block $e (block $f
      (br_table $a $b $c $d $e $f (local.get 0)))
      (return (call $add (local.get 0) (i32.const 11))))
      (return (i32.const 103))) (return (i32.const 17)))
      (return (i32.load (i32.const 4)))) (return (global.get $g)))
    (i32.const 99))
  (func (export "float") (param f64) (result f64)              ;; 16
    (f64.sqrt (local.get 0)))
)
