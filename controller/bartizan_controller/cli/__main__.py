"""`python -m bartizan_controller.cli`."""

from bartizan_controller.cli import main

if __name__ == "__main__":
    main(prog_name="bartizan-controller")
