from rcekd.commands import main

raise SystemExit(main())
