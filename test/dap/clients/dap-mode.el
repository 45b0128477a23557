;;; dap-mode.el --- A debug session of Emacs' dap-mode -*- lexical-binding: t -*-

;; Started by dap-mode.test.ts as `emacs --batch -l dap-mode.el NODE ADAPTER PROGRAM LINE`. Everything is asked of
;; dap-mode itself: what it made of the adapter's messages is printed, one JSON value a line.

;;; Code:

(require 'package)
(package-initialize)
(require 'dap-mode)
(require 'dap-ui)

(pcase-let ((`(,node ,adapter ,program ,line) command-line-args-left)
            (seen nil))
  (setq command-line-args-left nil
        dap-breakpoints-file (expand-file-name "breakpoints" user-emacs-directory)
        make-backup-files nil)
  (cl-labels
      ((say (kind &rest fields)
         (princ (concat (json-encode (append (list :kind kind) fields)) "\n")))
       (wait (what ready)
         (let ((limit (+ (float-time) 30)))
           (while (not (funcall ready))
             (when (> (float-time) limit) (error "%s did not happen" what))
             (accept-process-output nil 0.01))))
       (session () (dap--cur-session))
       (frames ()
         (and (dap--debug-session-thread-id (session))
              (gethash (dap--debug-session-thread-id (session))
                       (dap--debug-session-thread-stack-frames (session)))))
       (standing ()
         (wait "a stop with its stack" #'frames)
         (say "stopped"
              :thread (dap--debug-session-thread-id (session))
              :why (gethash (dap--debug-session-thread-id (session))
                            (dap--debug-session-thread-states (session)))
              :file (file-name-nondirectory (buffer-file-name (window-buffer)))
              :line (with-current-buffer (window-buffer) (line-number-at-pos))
              :frames (vconcat (mapcar (lambda (frame) (gethash "name" frame)) (frames)))))
       (scope (name)
         (seq-find (lambda (scope) (equal (gethash "name" scope) name))
                   (gethash "scopes" (dap-request (session) "scopes" :frameId (gethash "id" (car (frames)))))))
       (rows (name)
         (vconcat (mapcar (lambda (row) (substring-no-properties (plist-get row :label)))
                          (dap-ui-render-variables (session) (gethash "variablesReference" (scope name)) nil)))))
    (advice-add 'dap-overlays--display-interactive-eval-result :override
                (lambda (value &rest _) (setq seen value)))
    (dap-mode 1)
    (dap-register-debug-provider
     "ringside" (lambda (conf) (plist-put conf :dap-server-path (list node adapter))))

    (find-file program)
    (goto-char (point-min))
    (forward-line (1- (string-to-number line)))
    (dap-breakpoint-add)
    (dap-debug (list :type "ringside" :request "launch" :name "guest" :program program))

    (standing)
    (say "breakpoints"
         :verified (vconcat (mapcar (lambda (breakpoint) (gethash "verified" breakpoint))
                                    (gethash program (dap--debug-session-breakpoints (session))))))
    (say "registers" :rows (rows "Registers"))
    (dap-eval "rax + 1")
    (wait "the value" (lambda () seen))
    (say "value" :text (substring-no-properties seen))

    (dap-next (session))
    (standing)
    (dap-step-in (session))
    (standing)
    (dap-step-out (session))
    (standing)

    (dap-breakpoint-delete-all)
    (dap-continue (session) (dap--debug-session-thread-id (session)))
    (wait "the end" (lambda () (eq 'terminated (dap--debug-session-state (session)))))
    (say "terminated"
         :output (with-current-buffer (dap--debug-session-output-buffer (session))
                   (substring-no-properties (buffer-string))))))

;;; dap-mode.el ends here
