if [ "$BASH" ] && [ -f ~/.bashrc ]; then
    . ~/.bashrc
fi
mesg n 2> /dev/null || true
